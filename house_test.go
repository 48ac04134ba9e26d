package rescuekernel_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/seed64aab995/rescuekernel/"

// house is the layout of the module, top row first. A package may import what
// stands in a lower row, never what stands beside or above it.
var house = [][]string{
	{"cmd/dumper", "cmd/rescue", "cmd/rescue-kernel", "examples/host", "examples/baremetal", "examples/linuxboot"},
	{"cmd"}, // cmd/internal
	{"vmtests"},
	{"drill", "rescuetest"},
	{"machine/kvm", "machine/qemu", "machine/emulated"},
	{"machine/machinetest"},
	{"emulator/amd64", "emulator/arm64"},
	{"emulator", "bootimage", "imagebuild"},
	{"emulator/device", "emulator/gic"},
	{"machine"},
	{"rescue", "kernel", "capture"},
	{"reserve"},
	{"trampoline"},
	{"handoff"},
	{"device/virtio"},
	{"device/pci", "device/uart", "device/pvpanic", "device/gic"},
	{"device"},
	{"postmortem", "savecore", "record/reader"},
	{"container"},
	{"container/target", "record/ramoops", "record/efivar"},
	{"record/export/otlp"},
	{"record/console", "record/recordhttp", "record/export"},
	{"rescue/crashlog", "record/listing"},
	{"record", "container/kerneldump", "container/seekable", "container/ekcd", "container/serial"},
	{"minidump"},
	{"machdep/amd64", "machdep/arm64"},
	{"acpi", "efi", "fdt", "symbols"},
	{"physmem"},
}

// owner is the package that a package in a folder internal belongs to.
func owner(path string) string {
	path, _, _ = strings.Cut(path, "/internal")
	return path
}

// row is the index of a package's row, or -1.
func row(path string) int {
	path = owner(path)
	for i, packages := range house {
		for _, p := range packages {
			if p == path {
				return i
			}
		}
	}
	return -1
}

// imports lists "package import" pairs of this module for one platform.
func imports(t *testing.T, goos, goarch string) [][2]string {
	t.Helper()
	list := exec.Command("go", "list", "-e", "-f", `{{$p := .ImportPath}}{{range .Imports}}{{$p}} {{.}}{{"\n"}}{{end}}`, "./...")
	list.Env = append(list.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	out, err := list.Output()
	require.NoError(t, err)
	var pairs [][2]string
	for line := range strings.Lines(string(out)) {
		from, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(from, module) && strings.HasPrefix(to, module) {
			pairs = append(pairs, [2]string{strings.TrimPrefix(from, module), strings.TrimPrefix(to, module)})
		}
	}
	return pairs
}

func TestImportsGoDown(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not in PATH")
	}
	for _, platform := range [][2]string{{"linux", "amd64"}, {"linux", "arm64"}, {"windows", "amd64"}} {
		pairs := imports(t, platform[0], platform[1])
		require.NotEmpty(t, pairs, "no imports on %v", platform)
		for _, p := range pairs {
			from, to := row(p[0]), row(p[1])
			if owner(p[0]) == owner(p[1]) {
				continue
			}
			require.GreaterOrEqual(t, from, 0, "%s has no room in the house", p[0])
			require.GreaterOrEqual(t, to, 0, "%s has no room in the house", p[1])
			require.Greater(t, to, from, "%s imports %s, which does not stand below it", p[0], p[1])
		}
	}
}

func TestHouseRefusesSidewaysAndUp(t *testing.T) {
	t.Parallel()
	require.Greater(t, row("physmem"), row("minidump"))
	require.Equal(t, row("machdep/amd64"), row("machdep/arm64"))
	require.Equal(t, row("trampoline"), row("trampoline/internal/generate"))
	require.Equal(t, -1, row("util"))
}
