package device_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func TestTriggers(t *testing.T) {
	t.Parallel()
	read := device.Request{Type: virtio.BlockTypeRead, Number: 5, Writes: 3}
	write := device.Request{Type: virtio.BlockTypeWrite, Number: 5, Writes: 3}
	for name, test := range map[string]struct {
		trigger     device.Trigger
		read, write bool
	}{
		"always":           {device.Always, true, true},
		"every write":      {device.EveryWrite, false, true},
		"after 5 requests": {device.AfterRequests(5), true, true},
		"after 6 requests": {device.AfterRequests(6), false, false},
		"after 3 writes":   {device.AfterWrites(3), true, true},
		"after 4 writes":   {device.AfterWrites(4), false, false},
		"at write 3":       {device.AtWrite(3), false, true},
		"at write 2":       {device.AtWrite(2), false, false},
	} {
		require.Equal(t, test.read, test.trigger(read), name)
		require.Equal(t, test.write, test.trigger(write), name)
	}
}

// TestFail is a disk that fails after every number of writes.
func TestFail(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, a device.Attachment) {
		for n := range uint64(5) {
			c := newComputer(t, a, withFaults(device.Faults{Fail: device.AfterWrites(n)}))
			b := c.mustDriver(0)
			want := slices.Clone(c.disks[0].data)
			for i := range uint64(5) {
				p := pattern(512, byte(i))
				_, err := b.WriteAt(p, int64(i)*512)
				if i < n {
					require.NoError(t, err)
					copy(want[i*512:], p)
				} else {
					require.ErrorIs(t, err, virtio.ErrIO)
				}
			}
			require.Equal(t, want, c.disks[0].data)
			if n < 5 {
				_, err := b.ReadAt(make([]byte, 512), 0)
				require.ErrorIs(t, err, virtio.ErrIO)
			}
			require.EqualValues(t, 5-n+1, c.blocks[0].Counters().Failed)
		}
	})
}

// TestSilence is a disk that never answers: the driver gives up, and the
// device has not touched anything.
func TestSilence(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, a device.Attachment) {
		c := newComputer(t, a, withFaults(device.Faults{Silence: device.AfterWrites(1)}))
		b := c.mustDriver(0)
		_, err := b.WriteAt(make([]byte, 512), 0)
		require.NoError(t, err)
		before := slices.Clone(c.disks[0].data)
		_, err = b.WriteAt(pattern(512, 1), 512)
		require.ErrorIs(t, err, virtio.ErrTimeout)
		require.Equal(t, before, c.disks[0].data)
		require.Positive(t, c.blocks[0].Counters().Resets)
	})
}

func TestBreak(t *testing.T) {
	t.Parallel()
	for _, a := range []device.Attachment{device.PCIModern, device.MMIOModern} {
		c := newComputer(t, a, withFaults(device.Faults{Break: device.AtWrite(0)}))
		_, err := c.mustDriver(0).WriteAt(make([]byte, 512), 0)
		require.ErrorIs(t, err, virtio.ErrNeedsReset)
		require.ErrorContains(t, c.blocks[0].Problem(), "as its faults say")
		_, err = c.mustDriver(0).WriteAt(make([]byte, 512), 0)
		require.NoError(t, err, "a reset helps")
	}
}

func TestTear(t *testing.T) {
	t.Parallel()
	c := newComputer(t, device.PCIModern, withFaults(device.Faults{Tear: device.AtWrite(1), Stop: device.AtWrite(1)}))
	b := c.mustDriver(0)
	p, before := pattern(5*512, 3), slices.Clone(c.disks[0].data)
	_, err := b.WriteAt(p, 0)
	require.NoError(t, err)
	_, err = b.WriteAt(p, 8192)
	require.ErrorIs(t, err, virtio.ErrIO)
	want := slices.Clone(before)
	copy(want, p)
	copy(want[8192:], p[:2*512])
	require.Equal(t, want, c.disks[0].data)
	require.Len(t, c.stops, 1)
}

// TestStop stops the machine after each write of three that were shown to the
// device at once, and lets it run on.
func TestStop(t *testing.T) {
	t.Parallel()
	r := newRig(t, withFaults(device.Faults{Stop: device.EveryWrite}))
	r.header(virtio.BlockTypeWrite, 0)
	for i := range 3 {
		first := 3 * i
		r.request(first, virtio.BlockTypeWrite, 4, 512)
		r.offer(uint16(first))
	}
	r.kick()
	require.Len(t, r.stops, 1)
	require.Equal(t, machine.PoweredOff, r.stops[0].Reason)
	require.Contains(t, r.stops[0].Detail, `disk "dump" stops the machine after request 0, write 0`)
	require.Equal(t, []usedElement{{0, 1}}, r.used(), "what stopped it is done")
	for i := range uint32(2) {
		exit := r.bus.Poll()
		require.NotNil(t, exit)
		require.Equal(t, machine.PoweredOff, exit.Reason)
		require.Equal(t, []usedElement{{3 * (i + 1), 1}}, r.used())
	}
	require.Nil(t, r.bus.Poll())
	require.EqualValues(t, 3, r.blocks[0].Counters().Writes)

	// A reset forgets what was left.
	r.offer(0, 3)
	r.kick()
	r.start(virtio.FeatureVersion1)
	require.Nil(t, r.bus.Poll())
}

// TestStopOnPCI: the bus finds what was left behind a BAR too.
func TestStopOnPCI(t *testing.T) {
	t.Parallel()
	for _, a := range []device.Attachment{device.PCILegacy, device.PCIModern} {
		c := newComputer(t, a, withFaults(device.Faults{Stop: device.EveryWrite}))
		b := c.mustDriver(0)
		var handles []virtio.Handle
		for i := range 3 {
			h, err := b.Submit(virtio.Write, pattern(512, byte(i)), int64(i)*512)
			require.NoError(t, err)
			handles = append(handles, h)
		}
		b.Kick()
		require.Len(t, c.stops, 1)
		require.NotNil(t, c.bus.Poll())
		require.NotNil(t, c.bus.Poll())
		require.Nil(t, c.bus.Poll())
		for _, h := range handles {
			require.NoError(t, b.Wait(h))
		}
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	var slept []time.Duration
	d := newDisk(4096)
	memory := physmem.NewBytes(ramBase, make([]byte, ramSize))
	b, err := device.NewBlock(device.BlockConfig{
		Disk: machine.Disk{Size: 4096, Storage: d}, Memory: memory,
		Sleep:  func(d time.Duration) { slept = append(slept, d) },
		Faults: device.Faults{Delay: func(r device.Request) time.Duration { return time.Duration(r.Number) * time.Second }},
	})
	require.NoError(t, err)
	r := newRig(t)
	r.blocks[0], r.bus = b, machine.NewBus(b.MMIO(r.board.MMIO, 2))
	r.ram = memory.ViewPhysical(memory.Range())
	r.start(virtio.FeatureVersion1)
	for range 3 {
		require.Zero(t, r.do(virtio.BlockTypeRead, 0, 512))
	}
	require.Equal(t, []time.Duration{0, time.Second, 2 * time.Second}, slept)
}

// TestCorrupt: what the device says about a request is wrong. The driver must
// notice, whatever it is.
func TestCorrupt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		corrupt func(*device.Answer)
		want    error
	}{
		"another request":    {func(a *device.Answer) { a.ID = 200 }, virtio.ErrProtocol},
		"no such descriptor": {func(a *device.Answer) { a.ID = 1 << 31 }, virtio.ErrProtocol},
		"index far ahead":    {func(a *device.Answer) { a.Index += 1000 }, virtio.ErrProtocol},
		"index stays":        {func(a *device.Answer) { a.Index-- }, virtio.ErrTimeout},
		"status":             {func(a *device.Answer) { a.Status = virtio.BlockStatusNone }, virtio.ErrUnsupported},
	} {
		c := newComputer(t, device.PCIModern, withFaults(device.Faults{Corrupt: func(r device.Request, a *device.Answer) {
			if r.IsWrite() {
				test.corrupt(a)
			}
		}}))
		b := c.mustDriver(0)
		_, err := b.ReadAt(make([]byte, 512), 0)
		require.NoError(t, err, name)
		_, err = b.WriteAt(make([]byte, 512), 0)
		require.ErrorIs(t, err, test.want, name)
	}
}

func TestScribble(t *testing.T) {
	t.Parallel()
	victims := physmem.Ranges{
		{Start: ramBase + 0x200ff0, End: ramBase + 0x203010},
		{Start: ramBase + 0x300000, End: ramBase + 0x300001},
		{Start: 1 << 40, End: 1<<40 + 4096}, // no memory there: nothing happens
	}
	c := newComputer(t, device.PCILegacy, withFaults(device.Faults{Scribble: victims, ScribbleAt: device.AtWrite(1)}))
	b := c.mustDriver(0)
	_, err := b.WriteAt(make([]byte, 512), 0)
	require.NoError(t, err)
	require.Equal(t, make([]byte, ramSize-0x200000), c.ram[0x200000:])
	_, err = b.WriteAt(make([]byte, 512), 0)
	require.NoError(t, err)
	want := make([]byte, ramSize-0x200000)
	copy(want[0xff0:0x3010], bytes.Repeat([]byte{device.ScribblePattern}, 0x2020))
	want[0x100000] = device.ScribblePattern
	require.Equal(t, want, c.ram[0x200000:])
}

// line records an interrupt line.
type line struct{ levels []bool }

func (l *line) changes(b *device.Board) {
	b.Interrupt = func(_ int, on bool) { l.levels = append(l.levels, on) }
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	var l line
	r := newRig(t, l.changes)
	r.do(virtio.BlockTypeRead, 0, 512)
	require.Equal(t, []bool{true}, l.levels)
	require.EqualValues(t, 1, r.registers.Read32(virtio.MMIOInterruptStatus))
	r.registers.Write32(virtio.MMIOInterruptACK, 1)
	require.Equal(t, []bool{true, false}, l.levels)
	r.put16(rigAvailable, virtio.AvailableNoInterrupt)
	r.do(virtio.BlockTypeRead, 0, 512)
	require.Len(t, l.levels, 2)
	require.EqualValues(t, 1, r.blocks[0].Counters().Interrupts)
}

// TestInterruptOnPCI: the command register and MSI-X keep the pin silent.
func TestInterruptOnPCI(t *testing.T) {
	t.Parallel()
	for _, a := range []device.Attachment{device.PCILegacy, device.PCIModern} {
		var l line
		c := newComputer(t, a, l.changes)
		b := c.mustDriver(0) // it turns interrupts off
		_, err := b.ReadAt(make([]byte, 512), 0)
		require.NoError(t, err)
		require.Empty(t, l.levels)
	}
}

// TestInterruptPin: both interfaces assert the pin until the interrupt status is
// read.
func TestInterruptPin(t *testing.T) {
	t.Parallel()
	var l line
	c := newComputer(t, device.PCITransitional, l.changes)
	old, modern := c.ports(0xc000), c.memory(0xfe004000)
	old.Write32(virtio.LegacyQueueAddress, ramBase>>12)
	require.EqualValues(t, ramBase>>12, old.Read32(virtio.LegacyQueueAddress))
	old.Write8(virtio.LegacyStatus, virtio.StatusDriverOK)
	old.Write16(virtio.LegacyQueueNotify, 0) // it may not reach memory: that is signalled
	require.Equal(t, []bool{true}, l.levels)
	require.EqualValues(t, 2, old.Read8(virtio.LegacyISR))
	require.Zero(t, old.Read8(virtio.LegacyISR))
	require.Equal(t, []bool{true, false}, l.levels)

	modern.Write8(virtio.CommonStatus, 0)
	modern.Write16(virtio.CommonQueueSize, 3)
	modern.Write16(virtio.CommonQueueEnable, 1)
	f := c.function(0)
	f.Enable(pci.CommandInterruptDisable)
	require.Equal(t, []bool{true, false, true, false}, l.levels)
	f.Disable(pci.CommandInterruptDisable)
	modern.Write8(0x1000, 0xff)
	require.EqualValues(t, 2, modern.Read8(0x1000))
	require.Zero(t, modern.Read8(0x1000))
	require.Equal(t, []bool{true, false, true, false, true, false}, l.levels)
}

// TestStorm: the interrupt never goes away.
func TestStorm(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, a device.Attachment) {
		var l line
		c := newComputer(t, a, l.changes, withFaults(device.Faults{Storm: device.AtWrite(0)}))
		b := c.mustDriver(0)
		_, err := b.ReadAt(make([]byte, 512), 0)
		require.NoError(t, err)
		require.Empty(t, l.levels)
		for range 10 {
			_, err = b.WriteAt(make([]byte, 512), 0)
			require.NoError(t, err)
		}
		require.NoError(t, b.Close())
		require.Greater(t, len(l.levels), 10)
		require.NotContains(t, l.levels, false)
	})
}
