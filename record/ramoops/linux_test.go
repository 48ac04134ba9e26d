package ramoops_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/ramoops"
)

// debian is a kernel of Debian's with its modules, unpacked.
type debian struct {
	kernel  string
	modules []string // reed_solomon.ko, ramoops.ko
}

// findDebian gives the kernel that RESCUE_DEBIAN_KERNEL names (an unpacked
// package), or fetches the cloud kernel of the Debian that this runs on and keeps
// it under the system's folder for temporary files.
func findDebian(t *testing.T) debian {
	t.Helper()
	root := os.Getenv("RESCUE_DEBIAN_KERNEL")
	if root == "" {
		root = filepath.Join(os.TempDir(), "rescue-debian-kernel")
		if found, _ := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*")); len(found) == 0 {
			fetchDebian(t, root)
		}
	}
	one := func(pattern string) string {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		if len(found) == 0 {
			t.Skipf("no %s under %s", pattern, root)
		}
		return found[0]
	}
	return debian{one("boot/vmlinuz-*"), []string{
		one("lib/modules/*/kernel/lib/reed_solomon/reed_solomon.ko"), one("lib/modules/*/kernel/fs/pstore/ramoops.ko"),
	}}
}

func fetchDebian(t *testing.T, root string) {
	t.Helper()
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no kernel of Debian's: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "apt-cache", "depends", "linux-image-cloud-amd64").Output()
	_, name, found := strings.Cut(string(out), "Depends: ")
	if err != nil || !found {
		t.Skipf("no kernel of Debian's is known here: %v", err)
	}
	name, _, _ = strings.Cut(name, "\n")
	temporary := t.TempDir()
	download := exec.CommandContext(ctx, "apt-get", "download", strings.TrimSpace(name))
	download.Dir = temporary
	if out, err := download.CombinedOutput(); err != nil {
		t.Skipf("no kernel of Debian's: %v: %s", err, out)
	}
	packages, _ := filepath.Glob(filepath.Join(temporary, "*.deb"))
	require.NotEmpty(t, packages)
	unpacked := root + ".new"
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", packages[0], unpacked).CombinedOutput(); err != nil {
		t.Skipf("unpack: %v: %s", err, out)
	}
	if err := os.Rename(unpacked, root); err != nil {
		t.Skip(err)
	}
}

// cpio makes an initial RAM disk: the format newc of Linux's
// driver-api/early-userspace/buffer-format.rst.
func cpio(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	number := 0
	add := func(name string, mode, major, minor int, data []byte) {
		number++
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			number, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0, name)
		pad := func() { b.Write(make([]byte, -b.Len()&3)) }
		pad()
		b.Write(data)
		pad()
	}
	add("dev", 0o40755, 0, 0, nil)
	add("dev/console", 0o20600, 5, 1, nil)
	add("dev/kmsg", 0o20600, 1, 11, nil)
	for name, path := range files {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		add(name, 0o100755, 0, 0, data)
	}
	add("TRAILER!!!", 0, 0, 0, nil)
	return b.Bytes()
}

// buildInit builds process 1.
func buildInit(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "init")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./testdata/init")
	build.Env = append(build.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("build: %v: %s", err, out)
	}
	return path
}

// The machine's memory, and where in it the region lies.
const (
	memorySize = 256 << 20
	regionAt   = 128 << 20
	regionSize = 60 << 10 // whole dumps: Linux divides what is over among them
)

// bootLinux boots Linux over a memory file until it has panicked, and gives the
// files that pstore showed.
func bootLinux(t *testing.T, d debian, memory string, g ramoops.Geometry) map[string][]byte {
	t.Helper()
	initrd := filepath.Join(t.TempDir(), "initrd")
	disk := cpio(t, map[string]string{"init": buildInit(t), "reed_solomon.ko": d.modules[0], "ramoops.ko": d.modules[1]})
	require.NoError(t, os.WriteFile(initrd, disk, 0o600))
	parameters := fmt.Sprintf("mem_address=%#x,mem_size=%d,record_size=%d,console_size=%d,ftrace_size=%d,pmsg_size=%d",
		regionAt, regionSize, g.RecordSize, g.ConsoleSize, g.FtraceSize, g.PmsgSize)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := []string{"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot", "-m", fmt.Sprint(memorySize >> 20),
		"-object", fmt.Sprintf("memory-backend-file,id=ram,size=%d,mem-path=%s,share=on", memorySize, memory), "-machine", "pc,memory-backend=ram", "-accel", "tcg", // KVM within KVM is not to be relied on

		"-kernel", d.kernel, "-initrd", initrd,
		"-append", fmt.Sprintf("console=ttyS0 quiet loglevel=0 panic=-1 memmap=%dK$%#x test.ramoops=%s", regionSize>>10, regionAt, parameters)}
	out, err := exec.CommandContext(ctx, "qemu-system-x86_64", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "@@ done", "%s", out)
	files := map[string][]byte{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "@@" {
			continue
		}
		require.NotEqual(t, "error", fields[1], "%s", line)
		if fields[1] == "file" {
			data, err := base64.StdEncoding.DecodeString(strings.Join(fields[3:], ""))
			require.NoError(t, err)
			files[fields[2]] = data
		}
	}
	return files
}

// TestLinux has Linux read what we wrote, and reads what Linux writes when it
// panics beside it.
func TestLinux(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" || runtime.GOOS != "linux" {
		t.Skip("the kernel is for amd64, and the memory file for Linux")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip(err)
	}
	d := findDebian(t)
	g := ramoops.Geometry{RecordSize: 8192, ConsoleSize: 4096, FtraceSize: 4096, PmsgSize: 4096}
	zones, err := g.Zones(regionSize)
	require.NoError(t, err)
	region := memory(regionSize)
	var want [][]byte
	for _, message := range []string{"the first panic", "and another"} {
		z, ok := ramoops.Choose(region, zones)
		require.True(t, ok)
		want = append(want, put(t, region[z.Offset:][:z.Size], message))
	}
	ram := filepath.Join(t.TempDir(), "memory")
	file, err := os.Create(ram)
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, file.Truncate(memorySize))
	_, err = file.WriteAt(region, regionAt)
	require.NoError(t, err)

	files := bootLinux(t, d, ram, g)
	require.Len(t, files, 2, "%v", files)
	for i, data := range want {
		text := files[fmt.Sprintf("dmesg-ramoops-%d", i)]
		require.True(t, bytes.HasPrefix(text, []byte("Rescue host.fault.panic host: ")), "%q", text)
		got, err := ramoops.Record(text)
		require.NoError(t, err)
		require.Equal(t, data, got)
		r, err := record.Decode(got)
		require.NoError(t, err)
		require.Equal(t, uint64(7), r.Sequence)
	}

	// Linux begins with zone 0.
	_, err = file.ReadAt(region, regionAt)
	require.NoError(t, err)
	content, err := ramoops.Content(region[zones[0].Offset:][:zones[0].Size])
	require.NoError(t, err)
	text, err := ramoops.ParseDump(content)
	require.NoError(t, err)
	require.Contains(t, string(text.Text), "last words of a Linux")
	require.Contains(t, string(text.Text), "sysrq")
	_, err = ramoops.Record(text.Text)
	require.ErrorIs(t, err, ramoops.ErrRecord)
	content, err = ramoops.Content(region[zones[1].Offset:][:zones[1].Size])
	require.NoError(t, err)
	got, err := ramoops.Record(content)
	require.NoError(t, err)
	require.Equal(t, want[1], got, "what Linux did not need stays")
}
