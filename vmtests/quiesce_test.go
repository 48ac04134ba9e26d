package vmtests

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
)

// A device that raises interrupts without end, with the host's wish to silence it
// before anything else and without: the dump is whole, since nothing depends on
// it.
func TestInterruptStormWithAndWithoutQuiescing(t *testing.T) {
	for _, command := range []string{"", "quiesce=1 "} {
		t.Run(command, func(t *testing.T) {
			d := freeze(t, scene{sizes: usualScene, command: command}).goOn(t, fault{
				controller: true, disks: map[int]device.Faults{0: {Storm: device.Always}},
			})
			d.requireStatus("whole", "0")
			d.requireWhole(0)
			require.Equal(t, "0", d.report()["marks"], "the device to silence was there")
			counters := device.Blocks(d.machine)[0].Counters()
			t.Logf("%d interrupts for %d requests, took %v", counters.Interrupts, counters.Kicks, d.took)
		})
	}
}

// dog is a watchdog's register at an I/O port.
type dog struct {
	mu   sync.Mutex
	pats []byte
}

const dogPort = 0x110

func (*dog) Window() machine.Window              { return machine.Window{Port: true, Base: dogPort, Size: 1} }
func (*dog) ReadDevice(_ uint64, p []byte) error { return nil }
func (d *dog) WriteDevice(_ uint64, p []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pats = append(d.pats, p...)
	return nil
}

// The watchdog is patted at every step of the panic path, and by the rescue
// program, which knows the longest time between two pats.
func TestWatchdogIsPattedFromBothSides(t *testing.T) {
	d := &dog{}
	disk := labelledDisk(t, 32<<20)
	config := machine.Config{Devices: []machine.Device{d}, Disks: []machine.Disk{{Name: "disk0", Size: disk.Size(), Storage: disk}}}
	h := start(t, dumps(), config, fmt.Sprintf("panic=call watchdog=%#x ", dogPort), rescueProgram)
	exit := h.finish()
	require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
	report := (&dumped{handOff: h, exit: exit}).report()
	gap, err := strconv.ParseUint(report["gap_ns"], 10, 64)
	require.NoError(t, err)
	require.NotZero(t, gap)
	host, rescue := 0, 0
	for _, p := range d.pats {
		switch p {
		case 1:
			host++
			require.Zero(t, rescue, "the host pats no more")
		case 2:
			rescue++
		default:
			require.Fail(t, "what is written", "%#x", p)
		}
	}
	require.GreaterOrEqual(t, host, 4, "steps and notifiers")
	require.GreaterOrEqual(t, rescue, 4)
	t.Logf("%d pats of the host, %d of the rescue program, longest gap %d ns", host, rescue, gap)
}
