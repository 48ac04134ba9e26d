package qemu_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

// lateReader takes its time before it takes anything.
type lateReader struct{ bytes.Buffer }

func (l *lateReader) Write(p []byte) (int, error) {
	if l.Len() == 0 {
		time.Sleep(time.Second)
	}
	return l.Buffer.Write(p)
}

// TestSerialOutputIsNotLost has a guest that writes more than a socket of single
// bytes holds, and gives up what the port does not take in a bounded time, as
// package kernel does.
func TestSerialOutputIsNotLost(t *testing.T) {
	t.Parallel()
	const count = 20000
	code := []byte{0x31, 0xdb} // xor ebx, ebx
	code = append(code,
		// next:
		0xb9, 0x20, 0x4e, 0x00, 0x00, // mov ecx, 20000
		// poll:
		0x66, 0xba, 0xfd, 0x03, // mov dx, 0x3fd
		0xec,       // in al, dx
		0xa8, 0x20, // test al, 0x20
		0x75, 0x06, // jnz send
		0xff, 0xc9, // dec ecx
		0x75, 0xf3, // jnz poll
		0xeb, 0x07, // jmp skip: dropped
		// send:
		0x88, 0xd8, // mov al, bl
		0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0xee, // out dx, al
		// skip:
		0xff, 0xc3, // inc ebx
		0x81, 0xfb) // cmp ebx, count
	code = binary.LittleEndian.AppendUint32(code, count)
	code = append(code,
		0x75, 0xdb, // jne next
		0xb0, 0x01, 0xe6, 0xf4) // mov al, 1; out 0xf4, al
	var out lateReader
	ctx, m := boot(t, qemu.Options{}, machine.Config{
		Serial: &out, Boot: machine.Boot{Image: machinetest.Image(code)},
	}, machinetest.Entry)
	before := out.Len() // of the firmware
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, machine.DebugExit, exit.Reason, "%v", exit)
	require.Equal(t, count, out.Len()-before)
	for i, b := range out.Bytes()[before:] {
		require.Equal(t, byte(i), b, "byte %d", i)
	}
}
