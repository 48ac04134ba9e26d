package vmtests

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/efivar"
)

// A host that UEFI has booted panics and is reset. The next boot finds the record in
// memory and saves it in a variable of the firmware's, where it is read again by the
// guest, and from the flash by package efivar and by dumper.
func TestRecordInEFIVariable(t *testing.T) {
	t.Parallel()
	flash := filepath.Join(t.TempDir(), "OVMF_VARS.fd")
	r := uefiRunner(t, qemu.Options{Architecture: machine.AMD64, Variables: flash})
	// Firmware's boot services use memory from the top down.
	config := machine.Config{MemorySize: 256 << 20, Boot: machine.Boot{Image: []byte("made by the runner")}}
	h := startOn(t, r, config, "panic=call reserve.limit=0x8000000", rescueProgram, func(c *console) io.Writer { return c })
	exit := h.finish()
	require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
	require.Contains(t, h.console.String(), "host: 0 records for firmware's variables")
	require.NotContains(t, h.console.String(), "host: firmware has")

	require.NoError(t, h.machine.Reset())
	exit = h.finish() // it panics again
	require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
	require.Contains(t, h.console.String(), "host: 1 records for firmware's variables")
	require.Regexp(t, `host: firmware has record \d+ of [0-9a-f]+, host\.fault\.panic: the operator asked for it`, h.console.String())
	require.NoError(t, h.machine.Close()) // QEMU writes what is left of the flash

	image, err := os.ReadFile(flash)
	require.NoError(t, err)
	variables, err := efivar.OpenImage(image)
	require.NoError(t, err)
	saved, err := efivar.Load(variables)
	require.NoError(t, err)
	require.Len(t, saved, 1)
	got, err := record.Decode(saved[0])
	require.NoError(t, err)
	require.Equal(t, record.ClassPanic, got.Class)
	require.Equal(t, "the operator asked for it", got.Message)
	require.Zero(t, got.Flags&record.FlagMinimal)
	require.NotEmpty(t, got.Registers)
	said := output(t, exec.Command(dumper(t), "records", flash))
	require.Contains(t, said, "the operator asked for it")
}
