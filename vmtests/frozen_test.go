package vmtests

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// memoryDisk is a disk's storage. A write beyond its end is refused.
type memoryDisk struct{ content []byte }

var errBeyondDisk = errors.New("beyond the end of the disk")

func (d *memoryDisk) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(d.content).ReadAt(p, off)
}

func (d *memoryDisk) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > int64(len(d.content)) {
		return 0, errBeyondDisk
	}
	return copy(d.content[off:], p), nil
}

// Size, SectorSize and Flush make it a target.Device.
func (d *memoryDisk) Size() int64     { return int64(len(d.content)) }
func (d *memoryDisk) SectorSize() int { return 512 }
func (d *memoryDisk) Flush() error    { return nil }

func (d *memoryDisk) clone() *memoryDisk { return &memoryDisk{bytes.Clone(d.content)} }

// labelledDisk is a disk that is a target.
func labelledDisk(t testing.TB, size int64) *memoryDisk {
	t.Helper()
	d := &memoryDisk{make([]byte, size)}
	options := target.PrepareOptions{Size: size}
	_, err := rand.Read(options.ID[:])
	require.NoError(t, err)
	_, err = target.Prepare(d, options)
	require.NoError(t, err)
	return d
}

// frozen is a host at its freeze point, and its disks: what a test lets go on as
// often as it likes, each time in a machine of its own. So a fault costs a dump
// and no boot.
type frozen struct {
	on       runner // where it was booted, and goes on unless the fault says where
	snapshot *machine.Snapshot
	opened   *reserve.Reservation
	config   machine.Config
	disks    []*memoryDisk // in the order of the targets
	places   []int         // of the disks among the machine's
}

// order puts the disks in the order of the targets: a host finds them in that of
// their addresses, which are the machine's.
func (f *frozen) order(t testing.TB) {
	t.Helper()
	disks := f.disks
	f.disks, f.places = nil, nil
	for _, fixed := range f.opened.Block.Targets {
		for place, d := range disks {
			label, err := target.Read(d, d.Size(), 0)
			require.NoError(t, err)
			if label.ID == fixed.Label {
				f.disks, f.places = append(f.disks, d), append(f.places, place)
			}
		}
	}
	require.Len(t, f.disks, len(disks), "not every disk is a target")
}

// scene says what host a test wants.
type scene struct {
	sizes   string // of the disks, MiB, separated by blanks
	command string // more for the host
	rescue  *program
	memory  uint64
	older   bool   // an older dump, of another boot, is on the disks
	on      string // the machine that it is booted in; "" = that of dumps()
}

const usualScene = "16"

var (
	scenesMutex sync.Mutex
	scenes      = map[scene]*frozen{}
)

// freeze gives a host at its freeze point; each scene is booted once.
func freeze(t testing.TB, s scene) *frozen {
	t.Helper()
	if s.rescue == nil {
		s.rescue = rescueProgram
	}
	if s.on == "" {
		s.on = dumps().name
	}
	scenesMutex.Lock()
	defer scenesMutex.Unlock()
	if f, ok := scenes[s]; ok {
		return f
	}
	var disks []*memoryDisk
	for _, size := range strings.Fields(s.sizes) {
		mib, err := strconv.ParseInt(size, 10, 64)
		require.NoError(t, err)
		disks = append(disks, labelledDisk(t, mib<<20))
	}
	if s.on == onEmulatedARM64.name {
		slices.Reverse(disks) // the last one has the lowest address there, and is found first
	}
	if s.older {
		bootWithDisks(t, s, "fill=1 "+s.command, disks).requireWhole(0)
	}
	h := bootWithDisks(t, s, s.command, disks)
	f := &frozen{on: h.runner, snapshot: h.before, opened: h.opened, config: h.config, disks: disks}
	f.order(t)
	scenes[s] = f
	return f
}

// bootWithDisks boots a host and stops it at its freeze point.
func bootWithDisks(t testing.TB, s scene, command string, disks []*memoryDisk) *dumped {
	t.Helper()
	config := machine.Config{MemorySize: s.memory}
	for i, d := range disks {
		config.Disks = append(config.Disks, machine.Disk{Name: fmt.Sprintf("disk%d", i), Size: d.Size(), Storage: d})
	}
	r := dumps()
	for _, other := range []runner{onEmulator, onKVM, onEmulatedARM64} {
		if s.on == other.name {
			r = other
		}
	}
	h := armedHost(t, r, config, "nil", command, s.rescue)
	h.freezeHere()
	opened, err := reserve.Open(h.before.Memory, h.block, reserve.StageBoth)
	require.NoError(t, err)
	return &dumped{handOff: h, config: config, opened: opened, disks: disks}
}

// fault is what goes wrong in one run.
type fault struct {
	on runner // where the host was booted if none

	disks  map[int]device.Faults
	change func(physmem.Memory) // at the freeze point
	spoil  func([]*memoryDisk)  // likewise

	controller bool // the machine has an interrupt controller
	attachment device.Attachment
	// ends is how the machine ends, Reset if 0.
	ends machine.Reason
}

// goOn lets the host hand over in a machine of its own, with copies of the
// disks.
func (f *frozen) goOn(t testing.TB, w fault) *dumped {
	t.Helper()
	d := f.restore(t, w)
	clock := d.clock()
	began := clock()
	d.exit = d.finish()
	d.took = clock() - began
	if w.ends == 0 {
		w.ends = machine.Reset
	}
	require.Equal(t, w.ends, d.exit.Reason, "%v\n%s", d.exit, d.console)
	return d
}

// clock is what a guest's time is told by: its own where it is emulated.
func (d *dumped) clock() func() time.Duration {
	if m, ok := d.machine.(*emulated.Machine); ok {
		return func() time.Duration { return time.Duration(m.Time()) }
	}
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// restore is goOn up to the freeze point.
func (f *frozen) restore(t testing.TB, w fault) *dumped {
	t.Helper()
	if w.on.name == "" {
		w.on = f.on
	}
	d := &dumped{handOff: &handOff{t: t, runner: w.on, console: &console{}, block: f.opened.Block.Reservation.Start}, opened: f.opened}
	d.config = f.config
	d.config.Disks, d.config.Boot = slices.Clone(f.config.Disks), machine.Boot{}
	d.config.Serial, d.config.InterruptController = d.console, w.controller
	for i, disk := range f.disks {
		d.disks = append(d.disks, disk.clone())
		d.config.Disks[f.places[i]].Storage = d.disks[i]
	}
	if w.spoil != nil {
		w.spoil(d.disks)
	}
	disks := device.Options{Attachment: w.attachment, Faults: func(place int) device.Faults { return w.disks[slices.Index(f.places, place)] }}
	create := kvm.Options{Disks: disks}.New
	if d.runner.emulated() {
		create = emulated.Options{Architecture: d.runner.architecture, Disks: disks}.New
	}
	m, err := create(d.config)
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	d.machine = m
	require.NoError(t, machine.Restore(m, f.snapshot))
	if w.change != nil {
		w.change(m.Memory())
	}
	d.before, err = m.Snapshot()
	require.NoError(t, err)
	return d
}
