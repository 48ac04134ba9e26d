package machine_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/pvpanic"
	"github.com/seed64aab995/rescuekernel/device/uart"
	"github.com/seed64aab995/rescuekernel/machine"
)

// failing is a device that has an error for every access.
type failing struct {
	window machine.Window
	err    error
}

func (f failing) Window() machine.Window           { return f.window }
func (f failing) ReadDevice(uint64, []byte) error  { return f.err }
func (f failing) WriteDevice(uint64, []byte) error { return f.err }

func TestBusWithoutDevice(t *testing.T) {
	t.Parallel()
	bus := machine.NewBus()
	p := make([]byte, 4)
	require.Nil(t, bus.Read(true, 0x1234, p))
	require.Equal(t, []byte{0xff, 0xff, 0xff, 0xff}, p)
	require.Nil(t, bus.Write(false, 0x1234, p))
}

func TestBusErrors(t *testing.T) {
	t.Parallel()
	window := machine.Window{Base: 0xfeb00000, Size: 0x1000}
	broken := machine.NewBus(failing{window, errors.New("no such register")})
	exit := broken.Read(false, 0xfeb00010, make([]byte, 4))
	require.Equal(t, machine.Failed, exit.Reason)
	require.Equal(t, "device at 0xfeb00000: no such register", exit.Detail)
	require.Nil(t, broken.Read(true, 0xfeb00010, make([]byte, 4)), "a port is another address space")

	stops := machine.NewBus(failing{window, &machine.StopError{Exit: machine.Exit{Reason: machine.PoweredOff}}})
	require.Equal(t, machine.PoweredOff, stops.Write(false, 0xfeb00000, []byte{1}).Reason)
}

// poller is a device that has a few things to do.
type poller struct {
	failing
	left *int
}

func (p poller) Poll() error {
	if *p.left == 0 {
		return nil
	}
	*p.left--
	return p.err
}

func TestBusPoll(t *testing.T) {
	t.Parallel()
	left := 2
	stop := &machine.StopError{Exit: machine.Exit{Reason: machine.PoweredOff}}
	bus := machine.NewBus(failing{}, poller{failing{err: stop}, &left})
	for range 2 {
		require.Equal(t, machine.PoweredOff, bus.Poll().Reason)
	}
	require.Nil(t, bus.Poll())
}

func TestWindow(t *testing.T) {
	t.Parallel()
	w := machine.Window{Port: true, Base: 0x3f8, Size: 8}
	for _, test := range []struct {
		port    bool
		address uint64
		size    uint64
		want    bool
	}{
		{true, 0x3f8, 1, true}, {true, 0x3ff, 1, true}, {true, 0x3f8, 8, true},
		{true, 0x3f7, 1, false}, {true, 0x400, 1, false}, {true, 0x3ff, 2, false}, {true, 0x3f8, 9, false},
		{false, 0x3f8, 1, false}, {true, 0x3f8, ^uint64(0), false},
	} {
		require.Equal(t, test.want, w.Contains(test.port, test.address, test.size), "%+v", test)
	}
}

func TestUART(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	bus := machine.NewBus(machine.PCDevices(machine.Config{Serial: &out})...)
	write := func(register uint64, b byte) {
		require.Nil(t, bus.Write(true, uart.COM1+register, []byte{b}))
	}
	read := func(register uint64) byte {
		p := make([]byte, 1)
		require.Nil(t, bus.Read(true, uart.COM1+register, p))
		return p[0]
	}
	// What a driver does: the divisor must not come out as data.
	write(uart.LineControl, uart.LineControlDivisor)
	write(uart.Data, 1)
	write(uart.InterruptEnable, 0)
	require.EqualValues(t, 1, read(uart.Data))
	write(uart.LineControl, uart.LineControl8N1)
	require.EqualValues(t, 0, read(uart.Data), "nothing was received")
	require.NotZero(t, read(uart.LineStatus)&uart.LineStatusTransmitterReady)
	require.Zero(t, read(uart.LineStatus)&uart.LineStatusDataReady)
	require.EqualValues(t, uart.InterruptIDNone, read(uart.InterruptID))
	require.EqualValues(t, uart.ModemStatusReady, read(uart.ModemStatus))
	write(uart.Scratch, 0x5a)
	require.EqualValues(t, 0x5a, read(uart.Scratch))
	for _, b := range []byte("hello") {
		write(uart.Data, b)
	}
	require.Equal(t, "hello", out.String())
}

// broken is a writer that fails.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestBusAnswers(t *testing.T) {
	t.Parallel()
	bus := machine.NewBus(machine.NewUART(uart.COM1, nil))
	for port, want := range map[uint64]bool{uart.COM1: true, uart.COM1 + 8: false} {
		answered, exit := bus.Ask(true, port, make([]byte, 1))
		require.Nil(t, exit)
		require.Equal(t, want, answered)
		answered, exit = bus.Tell(true, port, make([]byte, 1))
		require.Nil(t, exit)
		require.Equal(t, want, answered)
	}
}

func TestUARTWriteError(t *testing.T) {
	t.Parallel()
	bus := machine.NewBus(machine.NewUART(uart.COM1, broken{}))
	exit := bus.Write(true, uart.COM1, []byte("x"))
	require.Equal(t, machine.Failed, exit.Reason)
	require.Contains(t, exit.Detail, "disk full")
	silent := machine.NewBus(machine.NewUART(uart.COM1, nil))
	require.Nil(t, silent.Write(true, uart.COM1, []byte("x")))
}

func TestPCDevices(t *testing.T) {
	t.Parallel()
	var events []byte
	bus := machine.NewBus(machine.PCDevices(machine.Config{PanicEvent: func(e byte) { events = append(events, e) }})...)
	write := func(port uint64, p ...byte) *machine.Exit { return bus.Write(true, port, p) }
	require.Equal(t, &machine.Exit{Reason: machine.DebugExit, Code: 0x04030201}, write(machine.DebugExitPort, 1, 2, 3, 4))
	require.Equal(t, &machine.Exit{Reason: machine.DebugExit, Code: 7}, write(machine.DebugExitPort, 7))
	require.Nil(t, write(machine.ResetPort, 2))
	require.Equal(t, &machine.Exit{Reason: machine.Reset}, write(machine.ResetPort, 6))
	require.Nil(t, write(machine.KeyboardPort, 0xae))
	require.Equal(t, &machine.Exit{Reason: machine.Reset}, write(machine.KeyboardPort, 0xfe))
	require.Nil(t, write(pvpanic.Port, pvpanic.CrashLoaded))
	require.Equal(t, []byte{pvpanic.CrashLoaded}, events)
	p := []byte{0xff}
	for port, want := range map[uint64]byte{pvpanic.Port: 3, machine.KeyboardPort: 0, machine.ResetPort: 0, machine.DebugExitPort: 0} {
		require.Nil(t, bus.Read(true, port, p))
		require.Equal(t, want, p[0], "%#x", port)
	}
}
