package vmtests

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// neighbour is a disk that is not dumped to and goes on with what it did before the
// panic: at each request of the other disk it asks for an interrupt, and writes
// to a page of the host. It does what its registers let it.
type neighbour struct {
	block               *device.Block
	page                physmem.Ranges
	asked, rang, writes int
}

// disturb is a device.Trigger: it is called by the thread of the CPU that asks.
func (n *neighbour) disturb(device.Request) bool {
	wrote, interrupted := n.block.Unsolicited(n.page)
	n.asked++
	if wrote {
		n.writes++
	}
	if interrupted {
		n.rang++
	}
	return false
}

// A device that nobody has silenced storms with interrupts and writes to memory
// during the dump. With the host's wish to quiesce it there is no interrupt and no
// write, and the dump is of the host as it was. Without, the dump is whole all the
// same, since nothing depends on it, and wrong where the device wrote: in no
// other page.
func TestInterruptStormWithAndWithoutQuiescing(t *testing.T) {
	for _, command := range []string{"", "quiesce=1 "} {
		t.Run(command, func(t *testing.T) {
			f := freeze(t, scene{sizes: "16 16", command: command})
			n := &neighbour{}
			d := f.restore(t, fault{controller: true, disks: map[int]device.Faults{0: {Fail: n.disturb}}})
			n.block = device.Blocks(d.machine)[f.places[1]]
			n.block.Busy()
			last := d.opened.Block.Reservation.Start // of the host's memory below
			n.page = physmem.Ranges{{Start: last - 4096, End: last}}
			d.exit = d.finish()
			d.requireStatus("whole", "0")
			require.Equal(t, "0", d.report()["marks"], "the device to silence was there")
			require.Greater(t, n.asked, 20)
			_, dump, err := d.open(0)
			require.NoError(t, err)
			require.True(t, dump.Complete())
			if command != "" {
				require.Zero(t, n.rang, "interrupts")
				require.Zero(t, n.writes, "writes")
				d.requireWhole(0)
				d.requireUnchanged()
			} else {
				require.Equal(t, n.asked, n.rang, "interrupts")
				require.Equal(t, n.asked, n.writes, "writes")
				d.requireTruePages(dump, n.page...)
				changed := d.changedMemory()
				require.NotEmpty(t, changed)
				require.Empty(t, changed.Minus(n.page))
			}
			t.Logf("%d events of the neighbour: %d interrupts, %d writes", n.asked, n.rang, n.writes)
		})
	}
}

// A device whose interrupt no register ends, with the wish to silence it and
// without: the dump is whole.
func TestStormThatNothingEnds(t *testing.T) {
	for _, command := range []string{"", "quiesce=1 "} {
		t.Run(command, func(t *testing.T) {
			d := freeze(t, scene{sizes: "16 16", command: command}).goOn(t, fault{
				controller: true, disks: map[int]device.Faults{0: {Storm: device.Always}},
			})
			d.requireStatus("whole", "0")
			d.requireWhole(0)
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
