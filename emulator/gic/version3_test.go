package gic_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	definitions "github.com/seed64aab995/rescuekernel/device/gic"
)

func (r *rig) read64(address uint64) uint64 {
	p := make([]byte, 8)
	require.Nil(r.t, r.bus.Read(false, address, p))
	return binary.LittleEndian.Uint64(p)
}

func (r *rig) write64(address, v uint64) {
	require.Nil(r.t, r.bus.Write(false, address, binary.LittleEndian.AppendUint64(nil, v)))
}

func TestVersion3Identity(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3, 18)
	require.EqualValues(t, definitions.DistributorOneState|definitions.DistributorAffinity, r.read(0, distributor))
	kind := r.read(0, distributor+definitions.DistributorType)
	require.EqualValues(t, 7, kind&definitions.TypeLinesMask)
	require.NotZero(t, kind&definitions.TypeLPIs)
	require.EqualValues(t, 3, r.read(0, distributor+definitions.DistributorPeripheralID2)>>4)
	for cpu := range uint64(18) {
		at := redistributors + cpu*definitions.RedistributorSize
		kind := r.read64(at + definitions.RedistributorType)
		require.EqualValues(t, cpu%16|cpu/16<<8, kind>>definitions.RedistributorTypeAffinityShift)
		require.Equal(t, cpu == 17, kind&definitions.RedistributorTypeLast != 0)
		require.EqualValues(t, cpu, kind>>8&0xffff)
	}
	require.EqualValues(t, 7, r.system(0, definitions.SRE))
	require.EqualValues(t, 4<<8|1<<15, r.system(0, definitions.CTLR))
	require.Zero(t, r.system(0, definitions.SREEL2))
	_, ok := r.ReadSystem(0, definitions.Encode(3, 0, 12, 8, 7))
	require.False(t, ok)
}

// TestVersion3Sleep: a redistributor that was not woken forwards nothing.
func TestVersion3Sleep(t *testing.T) {
	t.Parallel()
	s := side{newRig(t, 3, 1), 3}
	s.start(0)
	s.enable(0, 27, 0)
	s.write(0, redistributors+definitions.RedistributorWaker, definitions.WakerProcessorSleep)
	require.EqualValues(t, definitions.WakerProcessorSleep|definitions.WakerChildrenAsleep, s.read(0, redistributors+definitions.RedistributorWaker))
	s.SetPPI(0, 27, true)
	require.Empty(t, s.lines[0])
	s.write(0, redistributors+definitions.RedistributorWaker, 0)
	require.Equal(t, "irq", s.lines[0])
}

func TestVersion3SGI(t *testing.T) {
	t.Parallel()
	const n, of = 5, definitions.SGINumberShift
	for _, test := range []struct {
		name     string
		register definitions.SystemRegister
		value    uint64
		want     map[int]bool
	}{
		{"one", definitions.SGI1R, n<<of | 1<<2, map[int]bool{2: true}},
		{"two", definitions.SGI1R, n<<of | 3, map[int]bool{0: true, 1: true}},
		{"another cluster", definitions.SGI1R, n<<of | 1<<definitions.SGIAffinity1 | 2, map[int]bool{17: true}},
		{"no such cluster", definitions.SGI1R, n<<of | 1<<definitions.SGIAffinity2 | 2, map[int]bool{}},
		{"a range that is empty", definitions.SGI1R, n<<of | 1<<definitions.SGIRangeShift | 1, map[int]bool{}},
		{"the other group", definitions.SGI0R, n<<of | 1<<2, map[int]bool{}},
		{"an alias of group 0", definitions.ASGI1R, n<<of | 1<<2, map[int]bool{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := side{newRig(t, 3, 18), 3}
			for i := range 18 {
				s.start(i)
				s.enable(i, n, 0x40)
			}
			s.setSystem(3, test.register, test.value)
			for i := range 18 {
				require.Equal(t, test.want[i], s.lines[i] == "irq", "CPU %d", i)
			}
			s.setSystem(3, definitions.SGI1R, n<<of|definitions.SGIOthers)
			for i := range 18 {
				require.Equal(t, test.want[i] || i != 3, s.lines[i] == "irq", "CPU %d", i)
			}
			require.Equal(t, n, s.take(0))
			s.end(0, n)
			require.Empty(t, s.lines[0], "an SGI is an edge")
		})
	}
}

// TestVersion3Groups: group 0 is FIQ, and has registers of its own.
func TestVersion3Groups(t *testing.T) {
	t.Parallel()
	s := side{newRig(t, 3, 1), 3}
	s.start(0)
	s.enable(0, 40, 0x80)
	s.write(0, distributor+definitions.DistributorGroup+4, 0)
	s.SetSPI(8, true)
	require.Equal(t, "fiq", s.lines[0])
	require.EqualValues(t, definitions.Spurious, s.system(0, definitions.IAR1))
	require.EqualValues(t, definitions.Spurious, s.system(0, definitions.HPPIR1))
	require.EqualValues(t, 40, s.system(0, definitions.HPPIR0))
	require.EqualValues(t, 40, s.system(0, definitions.IAR0))
	require.EqualValues(t, 1<<16, s.system(0, definitions.AP0R0))
	s.setSystem(0, definitions.EOIR1, 40)
	require.EqualValues(t, 0x80, s.running(0), "not the group's register")
	s.setSystem(0, definitions.EOIR0, 40)
	require.EqualValues(t, definitions.PriorityIdle, s.running(0))
	s.setSystem(0, definitions.IGRPEN0, 0)
	require.Empty(t, s.lines[0])
	require.Zero(t, s.system(0, definitions.IGRPEN0))
}

func TestVersion3Control(t *testing.T) {
	t.Parallel()
	s := side{newRig(t, 3, 1), 3}
	s.start(0)
	require.EqualValues(t, 2, s.system(0, definitions.BPR0))
	require.EqualValues(t, 3, s.system(0, definitions.BPR1))
	s.setSystem(0, definitions.BPR0, 5)
	s.setSystem(0, definitions.CTLR, definitions.ControlCommonPoint|definitions.ControlSplitEnd)
	require.EqualValues(t, 6, s.system(0, definitions.BPR1))
	s.enable(0, 40, 0x80)
	s.SetSPI(8, true)
	require.Equal(t, 40, s.take(0))
	s.end(0, 40)
	require.EqualValues(t, definitions.PriorityIdle, s.running(0))
	require.Empty(t, s.lines[0])
	s.setSystem(0, definitions.DIR, 40)
	require.Equal(t, "irq", s.lines[0])
}

// TestVersion3Route: to an affinity, or to anybody who takes part.
func TestVersion3Route(t *testing.T) {
	t.Parallel()
	s := side{newRig(t, 3, 18), 3}
	s.start(0)
	s.start(17)
	s.enable(0, 40, 0x80)
	s.write64(distributor+definitions.DistributorRoute+8*40, 1<<8|1)
	s.SetSPI(8, true)
	require.Equal(t, "irq", s.lines[17])
	require.Empty(t, s.lines[0])
	s.write64(distributor+definitions.DistributorRoute+8*40, definitions.RouteAny)
	require.Equal(t, "irq", s.lines[0])
	require.Empty(t, s.lines[17])
	s.setSystem(0, definitions.IGRPEN1, 0)
	require.Equal(t, "irq", s.lines[17], "the first that takes part")
}

// TestLPIRegisters: a host sets up tables of LPIs, and they stay while they are
// in use.
func TestLPIRegisters(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3, 2)
	at := uint64(redistributors + definitions.RedistributorSize)
	r.write64(at+definitions.RedistributorProperties, 0x4567_8000|15)
	r.write64(at+definitions.RedistributorPending, 1<<62|0x4789_0000)
	r.write(0, at+definitions.RedistributorControl, definitions.RedistributorEnableLPIs)
	require.EqualValues(t, definitions.RedistributorEnableLPIs, r.read(0, at))
	r.write64(at+definitions.RedistributorProperties, 0)
	require.EqualValues(t, 0x4567_8000|15, r.read64(at+definitions.RedistributorProperties))
	require.EqualValues(t, 0x4789_0000, r.read64(at+definitions.RedistributorPending))
	require.Zero(t, r.read64(redistributors+definitions.RedistributorProperties), "of another CPU")
}

func TestITSRegisters(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3, 1)
	require.EqualValues(t, uint32(definitions.ITSQuiescent), r.read(0, its))
	require.EqualValues(t, definitions.ITSTypeDevices, r.read64(its+definitions.ITSTable)>>definitions.ITSTypeShift&7)
	require.EqualValues(t, definitions.ITSTypeCollection, r.read64(its+definitions.ITSTable+8)>>definitions.ITSTypeShift&7)
	const table = 1<<63 | 0x4321_0000 | 3
	r.write64(its+definitions.ITSTable, table)
	require.EqualValues(t, uint64(table|definitions.ITSTypeDevices<<definitions.ITSTypeShift|7<<definitions.ITSEntrySizeShift), r.read64(its+definitions.ITSTable))
	r.write64(its+definitions.ITSTable+16, table)
	require.Zero(t, r.read64(its+definitions.ITSTable+16), "there are two")
	r.write64(its+definitions.ITSCommandBase, 1<<63|0x4400_0000)
	r.write(0, its, definitions.ITSEnabled)
	r.write64(its+definitions.ITSCommandWrite, 0x40)
	require.EqualValues(t, 0x40, r.read64(its+definitions.ITSCommandRead), "commands are taken")
	r.write64(its+definitions.ITSTable, 0)
	require.NotZero(t, r.read64(its+definitions.ITSTable)&definitions.ITSValid, "it stays while it is in use")
}

// FuzzAccesses: whatever a guest does, nothing panics.
func FuzzAccesses(f *testing.F) {
	f.Add([]byte{0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte("\x01\x01\x00\xff\xff\xff\xff\x03\x0f\x20\x00\x01\x02\x03\x04\x05\x06\x07\x08"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, version := range []int{2, 3} {
			r := newRig(t, version, 2)
			for p := data; len(p) >= 12; p = p[12:] {
				r.Select(int(p[0] & 1))
				base := []uint64{distributor, cpuInterface, redistributors, its}[p[1]&3]
				address := base + uint64(binary.LittleEndian.Uint16(p[2:])) + uint64(p[1]>>4)<<16
				n := 1 << (p[0] >> 1 & 3)
				require.Nil(t, r.bus.Write(false, address, p[4:4+n]))
				require.Nil(t, r.bus.Read(false, address, make([]byte, n)))
				register := definitions.SystemRegister(binary.LittleEndian.Uint16(p[2:]))
				r.WriteSystem(int(p[0]&1), register, binary.LittleEndian.Uint64(p[4:]))
				r.ReadSystem(int(p[0]&1), register)
				r.SetSPI(int(p[4]), p[5]&1 != 0)
				r.SetPPI(int(p[0]&1), int(p[6]), p[5]&2 != 0)
			}
		}
	})
}
