package device

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/seed64aab995/rescuekernel/"

// dependencies are the packages that linking these would link.
func dependencies(t *testing.T, packages ...string) map[string]bool {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-deps"}, packages...)...).Output()
	require.NoError(t, err)
	all := map[string]bool{}
	for name := range strings.FieldsSeq(string(out)) {
		all[name] = true
	}
	return all
}

// TestLinksLittle checks that drivers link nothing that package kernel does not
// link already: the rescue program is small.
func TestLinksLittle(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not in PATH")
	}
	kernel := dependencies(t, module+"kernel")
	for name := range dependencies(t, module+"device/virtio", module+"device/uart", module+"device/pvpanic") {
		if !strings.HasPrefix(name, module) {
			require.True(t, kernel[name], "a driver links %s, which package kernel does not", name)
		}
	}
}
