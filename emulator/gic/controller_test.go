package gic_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	definitions "github.com/seed64aab995/rescuekernel/device/gic"
	"github.com/seed64aab995/rescuekernel/emulator/gic"
	"github.com/seed64aab995/rescuekernel/machine"
)

const (
	distributor    = 0x0800_0000
	cpuInterface   = 0x0801_0000
	redistributors = 0x080a_0000
	its            = 0x0808_0000
)

// rig is a controller and its bus.
type rig struct {
	t testing.TB
	*gic.Controller
	bus   *machine.Bus
	lines map[int]string // "", "irq", "fiq" of each CPU
}

func newRig(t testing.TB, version, cpus int) *rig {
	t.Helper()
	r := &rig{t: t, lines: map[int]string{}}
	c, err := gic.New(gic.Config{
		Version: version, CPUs: cpus, Distributor: distributor, CPUInterface: cpuInterface, Redistributors: redistributors, ITS: its,
		Signal: func(cpu int, irq, fiq bool) {
			r.lines[cpu] = map[[2]bool]string{{true, false}: "irq", {false, true}: "fiq"}[[2]bool{irq, fiq}]
		},
	})
	require.NoError(t, err)
	r.Controller, r.bus = c, machine.NewBus(c.Devices()...)
	return r
}

func (r *rig) read(cpu int, address uint64) uint32 {
	r.Select(cpu)
	p := make([]byte, 4)
	require.Nil(r.t, r.bus.Read(false, address, p))
	return binary.LittleEndian.Uint32(p)
}

func (r *rig) write(cpu int, address uint64, v uint32) {
	r.Select(cpu)
	require.Nil(r.t, r.bus.Write(false, address, binary.LittleEndian.AppendUint32(nil, v)))
}

func (r *rig) writeByte(cpu int, address uint64, v byte) {
	r.Select(cpu)
	require.Nil(r.t, r.bus.Write(false, address, []byte{v}))
}

func (r *rig) system(cpu int, register definitions.SystemRegister) uint64 {
	v, ok := r.ReadSystem(cpu, register)
	require.True(r.t, ok, "%#x", register)
	return v
}

func (r *rig) setSystem(cpu int, register definitions.SystemRegister, v uint64) {
	require.True(r.t, r.WriteSystem(cpu, register, v), "%#x", register)
}

// frame is where the registers of an interrupt are that a CPU sees.
func (r *rig) frame(version, cpu, interrupt int) uint64 {
	if version == 3 && interrupt < 32 {
		return redistributors + uint64(cpu)*definitions.RedistributorSize + definitions.RedistributorSGIFrame
	}
	return distributor
}

// side is the way in which a kernel uses a CPU interface: that of either version.
type side struct {
	*rig
	version int
}

func (s side) start(cpu int) {
	s.write(cpu, distributor, 3)
	if s.version == 2 {
		s.write(cpu, cpuInterface+definitions.InterfaceControl, 3|definitions.InterfaceAckControl)
		s.write(cpu, cpuInterface+definitions.InterfaceMask, 0xff)
		return
	}
	s.write(cpu, redistributors+uint64(cpu)*definitions.RedistributorSize+definitions.RedistributorWaker, 0)
	s.setSystem(cpu, definitions.PMR, 0xff)
	s.setSystem(cpu, definitions.IGRPEN0, 1)
	s.setSystem(cpu, definitions.IGRPEN1, 1)
}

// enable turns an interrupt of group 1 on.
func (s side) enable(cpu, interrupt int, priority byte) {
	base := s.frame(s.version, cpu, interrupt)
	word := uint64(interrupt / 32 * 4)
	group := s.read(cpu, base+definitions.DistributorGroup+word)
	s.write(cpu, base+definitions.DistributorGroup+word, group|1<<(interrupt%32))
	s.writeByte(cpu, base+definitions.DistributorPriority+uint64(interrupt), priority)
	s.write(cpu, base+definitions.DistributorEnable+word, 1<<(interrupt%32))
	if interrupt >= 32 && s.version == 2 {
		s.writeByte(cpu, base+definitions.DistributorTarget+uint64(interrupt), 1<<cpu)
	} else if interrupt >= 32 {
		s.write(cpu, base+definitions.DistributorRoute+8*uint64(interrupt), uint32(cpu))
	}
}

func (s side) take(cpu int) int {
	if s.version == 2 {
		return int(s.read(cpu, cpuInterface+definitions.InterfaceAcknowledge) & definitions.AcknowledgeIDMask)
	}
	return int(s.system(cpu, definitions.IAR1))
}

func (s side) end(cpu, interrupt int) {
	if s.version == 2 {
		s.write(cpu, cpuInterface+definitions.InterfaceEnd, uint32(interrupt))
		return
	}
	s.setSystem(cpu, definitions.EOIR1, uint64(interrupt))
}

func (s side) mask(cpu int, priority uint8) {
	if s.version == 2 {
		s.write(cpu, cpuInterface+definitions.InterfaceMask, uint32(priority))
		return
	}
	s.setSystem(cpu, definitions.PMR, uint64(priority))
}

func (s side) running(cpu int) uint8 {
	if s.version == 2 {
		return uint8(s.read(cpu, cpuInterface+definitions.InterfaceRunning))
	}
	return uint8(s.system(cpu, definitions.RPR))
}

// sides runs a test with both versions.
func sides(t *testing.T, cpus int, test func(t *testing.T, s side)) {
	for _, version := range []int{2, 3} {
		t.Run(map[int]string{2: "version 2", 3: "version 3"}[version], func(t *testing.T) {
			t.Parallel()
			s := side{newRig(t, version, cpus), version}
			for i := range cpus {
				s.start(i)
			}
			test(t, s)
		})
	}
}

func TestLevel(t *testing.T) {
	t.Parallel()
	sides(t, 2, func(t *testing.T, s side) {
		s.enable(0, 33, 0x80)
		s.enable(1, 40, 0x80)
		require.Empty(t, s.lines)
		s.SetSPI(1, true)
		require.Equal(t, "irq", s.lines[0])
		require.Empty(t, s.lines[1])
		require.Equal(t, 33, s.take(0))
		require.Empty(t, s.lines[0], "active, and still pending")
		require.Equal(t, definitions.Spurious, s.take(0))
		s.end(0, 33)
		require.Equal(t, "irq", s.lines[0], "the line is still up")
		s.SetSPI(1, false)
		require.Empty(t, s.lines[0])
		s.SetSPI(8, true)
		require.Empty(t, s.lines[0])
		require.Equal(t, "irq", s.lines[1])
	})
}

func TestEdge(t *testing.T) {
	t.Parallel()
	sides(t, 1, func(t *testing.T, s side) {
		s.enable(0, 35, 0x80)
		s.write(0, distributor+definitions.DistributorConfiguration+8, 2<<(2*3))
		s.SetSPI(3, true)
		s.SetSPI(3, false)
		require.Equal(t, 35, s.take(0))
		s.SetSPI(3, true) // again while it is handled
		s.end(0, 35)
		require.Equal(t, 35, s.take(0))
		s.end(0, 35)
		require.Equal(t, definitions.Spurious, s.take(0))
		require.Empty(t, s.lines[0])
	})
}

func TestPrioritiesAndPreemption(t *testing.T) {
	t.Parallel()
	sides(t, 1, func(t *testing.T, s side) {
		for interrupt, priority := range map[int]byte{27: 0xa0, 30: 0xa0, 36: 0x40, 37: 0x47} {
			s.enable(0, interrupt, priority)
		}
		s.SetPPI(0, 30, true)
		s.SetPPI(0, 27, true)
		require.Equal(t, 27, s.take(0), "of two the lower number")
		require.EqualValues(t, 0xa0, s.running(0))
		require.Empty(t, s.lines[0], "the same priority does not preempt")
		s.SetSPI(4, true)
		require.Equal(t, "irq", s.lines[0])
		require.Equal(t, 36, s.take(0))
		require.EqualValues(t, 0x40, s.running(0))
		s.SetSPI(5, true)
		require.Empty(t, s.lines[0], "bits that are not there do not make a difference")
		s.end(0, 36)
		require.EqualValues(t, 0xa0, s.running(0))
		require.Equal(t, 37-1, s.take(0), "its line is up yet")
		s.SetSPI(4, false)
		s.end(0, 36)
		require.Equal(t, 37, s.take(0))
		s.end(0, 37)
		s.end(0, 27)
		require.EqualValues(t, definitions.PriorityIdle, s.running(0))
	})
}

// TestPend: what is made pending is taken once, whatever its line.
func TestPend(t *testing.T) {
	t.Parallel()
	sides(t, 2, func(t *testing.T, s side) {
		s.enable(1, 27, 0x80)
		s.enable(0, 40, 0x80)
		s.Pend(1, 27)
		s.Pend(0, 40)
		s.Pend(0, 3)
		s.Pend(2, 40)
		s.Pend(0, 5000)
		for cpu, want := range map[int]int{0: 40, 1: 27} {
			require.Equal(t, "irq", s.lines[cpu])
			require.Equal(t, want, s.take(cpu))
			s.end(cpu, want)
			require.Empty(t, s.lines[cpu])
		}
	})
}

// TestPseudoNMI: a mask that lets only the highest through.
func TestPseudoNMI(t *testing.T) {
	t.Parallel()
	sides(t, 1, func(t *testing.T, s side) {
		s.enable(0, 40, 0xa0)
		s.enable(0, 41, 0x20)
		s.mask(0, 0x60)
		s.SetSPI(8, true)
		require.Empty(t, s.lines[0])
		require.Equal(t, definitions.Spurious, s.take(0))
		s.SetSPI(9, true)
		require.Equal(t, "irq", s.lines[0])
		require.Equal(t, 41, s.take(0))
		s.SetSPI(9, false)
		s.end(0, 41)
		s.mask(0, 0xf0)
		require.Equal(t, 40, s.take(0))
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]gic.Config{
		"version": {Version: 4}, "CPUs": {Version: 2, CPUs: 9}, "SPIs": {SPIs: 33}, "more SPIs": {SPIs: 1024},
	} {
		_, err := gic.New(config)
		require.ErrorIs(t, err, machine.ErrUnsupported, name)
	}
	c, err := gic.New(gic.Config{})
	require.NoError(t, err)
	c.SetSPI(-1, true)
	c.SetSPI(1000, true)
	c.SetPPI(0, 3, true)
	c.SetPPI(7, 20, true)
	_, ok := c.ReadSystem(0, definitions.PMR)
	require.False(t, ok)
	require.False(t, c.WriteSystem(0, definitions.PMR, 0))
}

// TestPriorityMask: an interrupt is signalled if its priority is above the mask,
// not where it is the mask's (4.8.4; v2 3.3.2).
func TestPriorityMask(t *testing.T) {
	t.Parallel()
	sides(t, 1, func(t *testing.T, s side) {
		s.enable(0, 27, 0x80)
		s.SetPPI(0, 27, true)
		for mask, want := range map[uint8]string{0x70: "", 0x80: "", 0x88: "irq", 0xf8: "irq"} {
			s.mask(0, mask)
			require.Equal(t, want, s.lines[0], "mask %#x", mask)
		}
	})
}
