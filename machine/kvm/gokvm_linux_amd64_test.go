package kvm_test

import (
	"bytes"
	"errors"
	"io"
	"log"
	"os"
	"testing"

	gokvm "github.com/bobuhiro11/gokvm/machine"
	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/pvpanic"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
)

// errStop is how a device ends gokvm's loop.
var errStop = errors.New("the guest is done")

// port is a device of gokvm's: bytes that are written to it.
type port struct {
	base, size uint64
	out        bytes.Buffer
	end        error
}

func (p *port) Read(uint64, []byte) error { return nil }
func (p *port) IOPort() uint64            { return p.base }
func (p *port) Size() uint64              { return p.size }

func (p *port) Write(_ uint64, data []byte) error {
	p.out.Write(data)
	return p.end
}

// TestUnderGokvm boots an image that runs here in gokvm's own machine: the
// boot protocol and the places of its parameters are the same. LoadLinux gives
// ports 0x80 to 0x11f to a device that ignores everything, so that there can be
// no debug exit; it ends by pvpanic.
func TestUnderGokvm(t *testing.T) {
	_, m := boot(t, []byte{0xf4}, machine.Config{}) // or skip, where there is no KVM
	require.NoError(t, m.Close())
	log.SetOutput(io.Discard) // it tells every segment
	defer log.SetOutput(os.Stderr)
	theirs, err := gokvm.New("/dev/kvm", 1, gokvm.MinMemSize)
	require.NoError(t, err)
	serial, exit := &port{base: 0x3f8, size: 8}, &port{base: pvpanic.Port, size: 1, end: errStop}
	theirs.AddDevice(serial)
	theirs.AddDevice(exit)
	image := machinetest.Image([]byte{
		0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0xb0, 'o', 0xee, // mov al, 'o'; out dx, al
		0xb0, 'k', 0xee,
		0x66, 0xba, 0x05, 0x05, // mov dx, 0x505
		0xb0, 1, 0xee, // mov al, 1; out dx, al
	})
	require.NoError(t, theirs.LoadLinux(bytes.NewReader(image), nil, "quiet"))
	require.ErrorIs(t, theirs.RunInfiniteLoop(0), errStop)
	require.Equal(t, "ok", serial.out.String())
	require.Equal(t, []byte{pvpanic.Panicked}, exit.out.Bytes())
}
