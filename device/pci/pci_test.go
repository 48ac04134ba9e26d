package pci_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func TestAddress(t *testing.T) {
	t.Parallel()
	a := pci.NewAddress(0x1234, 0x56, 0x1f, 7)
	require.EqualValues(t, 0x1234_0056_ff00, a)
	require.Equal(t, "1234:56:1f.7", a.String())
	require.EqualValues(t, 0x1234, a.Segment())
	require.EqualValues(t, 0x56, a.Bus())
	require.EqualValues(t, 0x1f, a.Device())
	require.EqualValues(t, 7, a.Function())
	for in, want := range map[string]pci.Address{
		"1234:56:1f.7": a, "0000:00:03.0": at(0, 3, 0), "00:03.0": at(0, 3, 0), "ff:1f.7": at(255, 31, 7), "0:A.1": at(0, 10, 1),
	} {
		got, err := pci.ParseAddress(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{"", ":", "0", "0:0", "0.0", "00:20.0", "00:00.8", "100:00.0", "10000:00:00.0", "0:0:0:0.0", "0.0:0", "00:00.", " 0:0.0", "0:0.0x", "0::0.0", "00:00:00:0"} {
		_, err := pci.ParseAddress(in)
		require.Error(t, err, in)
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("0000:00:1f.7")
	f.Add("::.")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := pci.ParseAddress(s)
		if err != nil {
			return
		}
		again, err := pci.ParseAddress(a.String())
		require.NoError(t, err)
		require.Equal(t, a, again)
	})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	m := &fabric{functions: map[pci.Address]*function{at(0, 3, 0): newFunction(0x1af4, 0x1001)}}
	m.functions[at(0, 3, 0)].bytes[pci.RegisterClass+2] = 1
	spaces(t, m, func(t *testing.T, space pci.Space) {
		m.accesses = 0
		f, err := pci.Open(space, at(0, 3, 0))
		require.NoError(t, err)
		require.LessOrEqual(t, m.accesses, 2)
		require.EqualValues(t, 0x1af4, f.VendorID)
		require.EqualValues(t, 0x1001, f.DeviceID)
		require.EqualValues(t, 0x0100, f.Class())
		f.Enable(pci.CommandBusMaster | pci.CommandIO)
		require.EqualValues(t, 5, m.functions[at(0, 3, 0)].bytes[pci.RegisterCommand])
		f.Disable(pci.CommandIO)
		require.EqualValues(t, 4, m.functions[at(0, 3, 0)].bytes[pci.RegisterCommand])
		f.Disable(pci.CommandBusMaster)
		_, err = pci.Open(space, at(0, 4, 0))
		require.ErrorIs(t, err, pci.ErrNoFunction)
		_, err = pci.Open(space, pci.NewAddress(1, 0, 3, 0))
		require.ErrorIs(t, err, pci.ErrAddress)
	})
	_, err := pci.Open(pci.ECAM{Registers: device.Access{}}, 0)
	require.ErrorIs(t, err, device.ErrNoBus)
}

// TestConfigurationWidths checks that each width reaches the right bytes, and
// none beyond the space.
func TestConfigurationWidths(t *testing.T) {
	t.Parallel()
	model := newFunction(1, 2)
	m := &fabric{functions: map[pci.Address]*function{0: model}}
	for i := range 16 {
		model.bytes[0x40+i] = byte(0x10 + i)
	}
	spaces(t, m, func(t *testing.T, space pci.Space) {
		r, err := space.Configuration(0)
		require.NoError(t, err)
		require.EqualValues(t, 0x13, r.Read8(0x43))
		require.EqualValues(t, 0x1312, r.Read16(0x42))
		require.EqualValues(t, 0x17161514, r.Read32(0x44))
		require.EqualValues(t, uint64(0x1f1e1d1c1b1a1918), r.Read64(0x48))
		r.Write8(0x53, 1)
		r.Write16(0x56, 0x0203)
		r.Write32(0x58, 0x04050607)
		r.Write64(0x60, 0x08090a0b0c0d0e0f)
		require.Equal(t, []byte{0, 0, 0, 1, 0, 0, 3, 2, 7, 6, 5, 4}, model.bytes[0x50:0x5c])
		require.Equal(t, []byte{15, 14, 13, 12, 11, 10, 9, 8}, model.bytes[0x60:0x68])
		clear(model.bytes[0x50:0x70])
	})
	r, err := m.ports().Configuration(0)
	require.NoError(t, err)
	require.EqualValues(t, 0xff, r.Read8(256))
	require.EqualValues(t, 0xffff, r.Read16(0x41))
	require.EqualValues(t, 0xffff_ffff, r.Read32(0x1000))
	before := model.bytes
	r.Write8(256, 1)
	r.Write16(0x41, 1)
	r.Write32(0x42, 1)
	require.Equal(t, before, model.bytes)
}

func TestBARs(t *testing.T) {
	t.Parallel()
	model := newFunction(1, 2)
	m := &fabric{functions: map[pci.Address]*function{0: model}}
	put := func(i int, v, writable uint32) {
		binary.LittleEndian.PutUint32(model.bytes[pci.RegisterBAR+4*i:], v)
		model.bars[uint64(pci.RegisterBAR+4*i)] = writable
	}
	put(0, 0xc041, 0xffc0)           // 64 ports, upper half fixed
	put(1, 0xfebd_1000, 0xffff_f000) // 4 KiB
	put(2, 0x8000_000c, 0xffff_c000) // 16 KiB, 64 bits, prefetchable
	put(3, 0x0000_0038, 0xffff_ffff) // its upper half
	put(4, 0, 0)                     // none
	put(5, 0x0000_0004, 0)           // 64 bits in the last one
	model.bytes[pci.RegisterCommand] = 7
	spaces(t, m, func(t *testing.T, space pci.Space) {
		f, err := pci.Open(space, 0)
		require.NoError(t, err)
		for i, want := range []struct {
			bar  pci.BAR
			size uint64
		}{
			{pci.BAR{IO: true, Address: 0xc040}, 64},
			{pci.BAR{Address: 0xfebd_1000}, 4096},
			{pci.BAR{Wide: true, Prefetchable: true, Address: 0x38_8000_0000}, 16 << 10},
		} {
			bar, err := f.BAR(i)
			require.NoError(t, err)
			require.Equal(t, want.bar, bar)
			size, err := f.SizeBAR(i)
			require.NoError(t, err)
			require.Equal(t, want.size, size, "BAR %d", i)
			again, err := f.BAR(i)
			require.NoError(t, err)
			require.Equal(t, bar, again, "put back")
		}
		require.EqualValues(t, 7, model.bytes[pci.RegisterCommand], "put back")
		size, err := f.SizeBAR(4)
		require.NoError(t, err)
		require.Zero(t, size)
		for _, i := range []int{-1, 5, 6} {
			_, err = f.BAR(i)
			require.ErrorIs(t, err, pci.ErrNoBAR)
			_, err = f.SizeBAR(i)
			require.ErrorIs(t, err, pci.ErrNoBAR)
		}
		require.NoError(t, f.SetBAR(2, 0x40_0000_0000))
		bar, err := f.BAR(2)
		require.NoError(t, err)
		require.EqualValues(t, 0x40_0000_0000, bar.Address)
		require.NoError(t, f.SetBAR(2, 0x38_8000_0000))
		require.ErrorIs(t, f.SetBAR(1, 1<<32), pci.ErrNoBAR)
		require.ErrorIs(t, f.SetBAR(6, 0), pci.ErrNoBAR)
	})
}

// recorder is a bus that says what it was asked for.
type recorder struct{ asked any }

func (r *recorder) Ports(base, count uint16) (device.Registers, error) {
	r.asked = [2]uint16{base, count}
	return nil, nil
}

func (r *recorder) Memory(m physmem.Range) (device.Registers, error) {
	r.asked = m
	return nil, errors.New("as asked for")
}

func TestBARRegisters(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	_, err := pci.BAR{IO: true, Address: 0xc040}.Registers(r, 4, 16)
	require.NoError(t, err)
	require.Equal(t, [2]uint16{0xc044, 16}, r.asked)
	_, err = pci.BAR{Address: 0xfebd_1000}.Registers(r, 0x800, 56)
	require.EqualError(t, err, "as asked for")
	require.Equal(t, physmem.Range{Start: 0xfebd_1800, End: 0xfebd_1838}, r.asked)
	r.asked = nil
	for name, c := range map[string]struct {
		bar          pci.BAR
		offset, size uint64
	}{
		"not assigned":      {pci.BAR{}, 0, 16},
		"no bytes":          {pci.BAR{Address: 0x1000}, 0, 0},
		"ports beyond all":  {pci.BAR{IO: true, Address: 0xfff0}, 0, 17},
		"memory beyond all": {pci.BAR{Address: 1 << 51}, 1 << 51, 1},
		"offset wraps":      {pci.BAR{Address: 0x1000}, 0xffff_ffff_ffff_f000, 16},
		"size wraps":        {pci.BAR{Address: 0x1000}, 0, 0xffff_ffff_ffff_f000},
	} {
		_, err := c.bar.Registers(r, c.offset, c.size)
		require.ErrorIs(t, err, pci.ErrNoBAR, name)
		require.Nil(t, r.asked, name)
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	good := newFunction(1, 2).capability(0x40, 0x52, pci.CapabilityMSI, 0x81, 0).capability(0x50, 0x60, pci.CapabilityMSIX, 3, 0xc0).capability(0x60, 0, pci.CapabilityVendor)
	loop := newFunction(1, 2).capability(0x40, 0x50, 9).capability(0x50, 0x40, 9)
	self := newFunction(1, 2).capability(0x44, 0x44, 9)
	header := newFunction(1, 2).capability(0x40, 0x10, 9)
	gone := newFunction(1, 2).capability(0x40, 0xfc, 9)
	gone.bytes[0xfc] = 0xff
	none := newFunction(1, 2)
	none.bytes[pci.RegisterCapabilities] = 0x40
	for name, c := range map[string]struct {
		model *function
		want  int
	}{"good": {good, 3}, "loop": {loop, 48}, "self": {self, 48}, "into the header": {header, 1}, "all ones": {gone, 1}, "none": {none, 0}} {
		f, err := pci.Open((&fabric{functions: map[pci.Address]*function{0: c.model}}).ports(), 0)
		require.NoError(t, err)
		require.Len(t, f.Capabilities(), c.want, name)
	}
	f, err := pci.Open((&fabric{functions: map[pci.Address]*function{0: good}}).ports(), 0)
	require.NoError(t, err)
	require.Equal(t, []pci.Capability{{Offset: 0x40, ID: 5, Word: 0x81}, {Offset: 0x50, ID: 0x11, Word: 0xc003}, {Offset: 0x60, ID: 9}}, f.Capabilities())
	f.DisableInterrupts()
	require.Equal(t, []byte{0x80, 0}, good.bytes[0x42:0x44], "MSI is off and keeps the rest")
	require.Equal(t, []byte{3, 0x40}, good.bytes[0x52:0x54], "MSI-X is off and keeps the rest")
	require.EqualValues(t, pci.CommandInterruptDisable>>8, good.bytes[pci.RegisterCommand+1])
}

// machineWithBridges has functions on three buses, and bridges that lead
// backwards, to themselves and out of the window.
func machineWithBridges() *fabric {
	m := &fabric{functions: map[pci.Address]*function{
		at(0, 0, 0):  newFunction(0x8086, 1),
		at(0, 1, 0):  newFunction(0x8086, 2).bridge(1),
		at(0, 2, 0):  newFunction(0x8086, 3).bridge(0),
		at(0, 3, 0):  newFunction(0x8086, 3).bridge(200),
		at(0, 4, 0):  newFunction(0x8086, 3).bridge(1),
		at(0, 31, 0): newFunction(0x8086, 4),
		at(0, 31, 2): newFunction(0x8086, 5),
		at(0, 30, 2): newFunction(0x8086, 6), // without function 0: nobody looks
		at(1, 0, 0):  newFunction(0x1af4, 0x1041).bridge(2),
		at(1, 1, 0):  newFunction(0x1af4, 0x1042).bridge(0),
		at(2, 5, 0):  newFunction(0x1af4, 0x1042),
	}}
	m.functions[at(0, 31, 0)].bytes[pci.RegisterHeaderType] |= pci.HeaderMultiFunction
	return m
}

func TestScan(t *testing.T) {
	t.Parallel()
	m := machineWithBridges()
	spaces(t, m, func(t *testing.T, space pci.Space) {
		var found []pci.Address
		for f, err := range pci.Scan(space, 0, 0) {
			require.NoError(t, err)
			found = append(found, f.Address)
		}
		require.Equal(t, []pci.Address{
			at(0, 0, 0), at(0, 1, 0), at(0, 2, 0), at(0, 3, 0), at(0, 4, 0), at(0, 31, 0), at(0, 31, 2), at(1, 0, 0), at(1, 1, 0), at(2, 5, 0),
		}, found)
		m.accesses = 0
		for range pci.Scan(space, 0, 0) {
			break
		}
		require.LessOrEqual(t, m.accesses, 4, "no more than the loop wants")
	})
	for _, err := range pci.Scan(m.ports(), 1, 0) {
		require.ErrorIs(t, err, pci.ErrAddress)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	m := machineWithBridges()
	disk := func(f *pci.Function) bool { return f.VendorID == 0x1af4 && f.DeviceID == 0x1042 }
	spaces(t, m, func(t *testing.T, space pci.Space) {
		m.accesses = 0
		f, err := pci.Find(space, at(2, 5, 0), disk)
		require.NoError(t, err)
		require.Equal(t, at(2, 5, 0), f.Address)
		require.LessOrEqual(t, m.accesses, 2, "the recorded one comes first")
		for _, recorded := range []pci.Address{at(0, 0, 0), at(3, 0, 0)} { // another device, none
			f, err = pci.Find(space, recorded, disk)
			require.NoError(t, err)
			require.Equal(t, at(1, 1, 0), f.Address)
		}
		_, err = pci.Find(space, 0, func(*pci.Function) bool { return false })
		require.ErrorIs(t, err, pci.ErrNoFunction)
		_, err = pci.Find(space, pci.NewAddress(5, 0, 0, 0), disk)
		require.ErrorIs(t, err, pci.ErrAddress)
	})
}
