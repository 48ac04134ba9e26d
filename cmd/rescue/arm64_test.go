package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// A host for arm64 with its rescue program in one file, which says by itself what
// it is for: it boots, panics, and the machine's memory tells all of it.
func TestARM64(t *testing.T) {
	t.Parallel()
	needGo(t)
	directory := t.TempDir()
	image, ram := filepath.Join(directory, "Image"), filepath.Join(directory, "ram")
	requireDone(t, "build", "--arch", "arm64", "--boot", "--rescue", "./testdata/dump", "-o", image, host)
	var f inspection
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "inspect", "--json", image)), &f))
	require.Equal(t, kindBootImage, f.Kind)
	require.Len(t, f.Reservations, 1)
	require.Equal(t, "arm64", f.Reservations[0].Architecture)
	require.NotEmpty(t, f.Reservations[0].Image.GoBuildID)

	r := rescue(t, "boot", "--timeout", "1m", "--append", "panic=go debug.rescue.greeting=hello", "--snapshot", ram, image)
	require.Equal(t, exitDone, r.code, "%s%s", r.out, r.errors)
	require.Contains(t, r.out, "panic: the books do not balance")
	require.Contains(t, r.out, "dump: the host panicked: exit\n")
	require.Contains(t, r.errors, "rescue: emulated: the guest turned the machine off after ")

	f = inspection{}
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "inspect", "--json", ram)), &f))
	require.Equal(t, kindMemory, f.Kind)
	require.Len(t, f.Reservations, 2)
	armed := f.Reservations[1]
	require.Equal(t, "fdt", f.Reservations[0].Boot.Protocol)
	require.Equal(t, "rescue", armed.Role)
	require.Equal(t, "hello", armed.Environment["greeting"])
	require.Equal(t, handoff.ReasonExit.String(), armed.Panic.Reason)
	require.Equal(t, armed.Panic.PC, armed.Panic.Registers[0].Registers["pc"])
	require.Contains(t, requireDone(t, "inspect", ram), "rescue program has taken over")
}

// What is for another architecture is refused before anything runs.
func TestARM64Refusals(t *testing.T) {
	t.Parallel()
	requireFails(t, exitUnavailable, "kvm has no machines of arm64", "drill", "--machine", "kvm", "--arch", "arm64")
	requireFails(t, exitUsage, "want amd64 or arm64", "drill", "--arch", "vax")
	requireFails(t, exitUsage, "want amd64 or arm64", "boot", "--arch", "vax", host)
	amd64 := writeTemporary(t, "amd64", smallImage())
	requireFails(t, exitUsage, "is for amd64, not for arm64", "drill", "--arch", "arm64", "--rescue", amd64)
	requireFails(t, exitUsage, "is for amd64, not for arm64", "build", "--arch", "arm64", "--boot", "--rescue", amd64, "-o", os.DevNull, host)
	short := make([]byte, 100)
	copy(short[56:], "ARM\x64")
	requireFails(t, exitNotOurs, "", "inspect", writeTemporary(t, "short", short))
}
