//go:build unix

package qemu

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

// Firmware is taken where all of its files are, and what is missing is named.
func TestFindFirmware(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"code", "code2", "variables2"} {
		require.NoError(t, os.WriteFile(at(name), nil, 0o600))
	}
	found, err := findFirmware([]firmware{{at("code"), at("variables")}, {at("code2"), at("variables2")}})
	require.NoError(t, err)
	require.Equal(t, firmware{at("code2"), at("variables2")}, found)
	found, err = findFirmware([]firmware{{code: at("code")}})
	require.NoError(t, err)
	require.Equal(t, at("code"), found.code)
	_, err = findFirmware([]firmware{{at("code"), at("variables")}, {code: at("absent")}})
	require.ErrorIs(t, err, machine.ErrUnavailable)
	require.ErrorContains(t, err, at("variables")+", "+at("absent"))
}

// By UEFI there is no way for a command line or a module.
func TestUEFIRefuses(t *testing.T) {
	t.Parallel()
	for _, boot := range []machine.Boot{{CommandLine: "x"}, {Modules: []machine.Module{{Data: []byte("x")}}}} {
		_, err := Options{UEFI: true}.New(machine.Config{Boot: boot})
		require.ErrorIs(t, err, machine.ErrUnsupported)
	}
}
