package gic_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	definitions "github.com/seed64aab995/rescuekernel/device/gic"
)

func TestVersion2Identity(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, 4)
	require.EqualValues(t, 7|3<<5, r.read(0, distributor+definitions.DistributorType))
	require.EqualValues(t, 2, r.read(0, distributor+definitions.DistributorPeripheralID2V2)>>4)
	for cpu := range 4 {
		require.EqualValues(t, uint32(0x01010101)<<cpu, r.read(cpu, distributor+definitions.DistributorTarget))
	}
	r.write(0, distributor+definitions.DistributorTarget+32, 0xffffffff)
	require.EqualValues(t, 0x0f0f0f0f, r.read(0, distributor+definitions.DistributorTarget+32), "of four CPUs")
	r.write(0, distributor+definitions.DistributorPriority+64, 0xffffffff)
	require.EqualValues(t, 0xf8f8f8f8, r.read(0, distributor+definitions.DistributorPriority+64), "32 levels")
}

// TestVersion2SGI: filters, and one acknowledge for each sender.
func TestVersion2SGI(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		send uint32
		want [3]bool
	}{
		{"targets", 5 << definitions.SendSGITargetShift, [3]bool{true, false, true}},
		{"others", 1 << definitions.SendSGIFilterShift, [3]bool{true, false, true}},
		{"itself", 2 << definitions.SendSGIFilterShift, [3]bool{false, true, false}},
		{"nobody", 3 << definitions.SendSGIFilterShift, [3]bool{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := side{newRig(t, 2, 3), 2}
			for i := range 3 {
				s.start(i)
				s.enable(i, 7, 0)
			}
			s.write(1, distributor+definitions.DistributorSendSGI, test.send|7)
			for i, want := range test.want {
				require.Equal(t, want, s.lines[i] == "irq", "CPU %d", i)
			}
			s.write(2, distributor+definitions.DistributorSendSGI, 2<<definitions.SendSGITargetShift|7)
			senders := map[uint32]bool{}
			for {
				v := s.read(1, cpuInterface+definitions.InterfaceAcknowledge)
				if v == definitions.Spurious {
					break
				}
				require.EqualValues(t, 7, v&definitions.AcknowledgeIDMask)
				senders[v>>definitions.AcknowledgeCPUShift] = true
				s.end(1, int(v))
			}
			require.Equal(t, map[uint32]bool{2: true}, map[uint32]bool{2: senders[2]})
			require.Equal(t, test.want[1], senders[1])
		})
	}
}

func TestVersion2SGIRegisters(t *testing.T) {
	t.Parallel()
	s := side{newRig(t, 2, 2), 2}
	s.start(0)
	s.writeByte(0, distributor+definitions.DistributorSetSGI+3, 0xff)
	require.EqualValues(t, 3<<24, s.read(0, distributor+definitions.DistributorSetSGI), "of two CPUs")
	require.EqualValues(t, 1<<3, s.read(0, distributor+definitions.DistributorSetPending))
	s.writeByte(0, distributor+definitions.DistributorClearSGI+3, 0xff)
	require.Zero(t, s.read(0, distributor+definitions.DistributorSetPending))
	s.write(0, distributor+definitions.DistributorDisable, 0xffffffff)
	require.EqualValues(t, 0xffff, s.read(0, distributor+definitions.DistributorEnable), "SGIs are always on")
}

// TestVersion2Groups: group 0 as FIQ, and which register takes what.
func TestVersion2Groups(t *testing.T) {
	t.Parallel()
	s := side{newRig(t, 2, 1), 2}
	s.start(0)
	s.enable(0, 32, 0x80)
	s.write(0, cpuInterface, 3)
	s.SetSPI(0, true)
	require.Equal(t, "irq", s.lines[0])
	require.EqualValues(t, definitions.OtherGroup, s.read(0, cpuInterface+definitions.InterfaceAcknowledge))
	require.EqualValues(t, definitions.OtherGroup, s.read(0, cpuInterface+definitions.InterfaceHighest))
	require.EqualValues(t, 32, s.read(0, cpuInterface+definitions.InterfaceAliasHighest))
	require.EqualValues(t, 32, s.read(0, cpuInterface+definitions.InterfaceAliasAcknowledge))
	require.EqualValues(t, 1<<16, s.read(0, cpuInterface+definitions.InterfaceActive1))
	s.write(0, cpuInterface+definitions.InterfaceAliasEnd, 32)
	require.Zero(t, s.read(0, cpuInterface+definitions.InterfaceActive1))

	s.write(0, distributor+definitions.DistributorGroup+4, 0)
	require.Equal(t, "irq", s.lines[0])
	s.write(0, cpuInterface, 3|definitions.InterfaceFIQ)
	require.Equal(t, "fiq", s.lines[0])
	require.EqualValues(t, definitions.Spurious, s.read(0, cpuInterface+definitions.InterfaceAliasAcknowledge))
	require.EqualValues(t, 32, s.read(0, cpuInterface+definitions.InterfaceAcknowledge))
}

// TestVersion2SplitEnd: priority drop and deactivation apart.
func TestVersion2SplitEnd(t *testing.T) {
	t.Parallel()
	s := side{newRig(t, 2, 1), 2}
	s.start(0)
	s.enable(0, 32, 0x80)
	s.write(0, cpuInterface, 3|definitions.InterfaceAckControl|definitions.InterfaceSplitEnd)
	s.SetSPI(0, true)
	require.Equal(t, 32, s.take(0))
	s.end(0, 32)
	require.EqualValues(t, definitions.PriorityIdle, s.running(0))
	require.Empty(t, s.lines[0], "active yet")
	s.write(0, cpuInterface+definitions.InterfaceDeactivate, 32)
	require.Equal(t, "irq", s.lines[0])
}

// TestBinaryPoint: priorities of one group do not preempt each other.
func TestBinaryPoint(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		point     uint32
		preempted bool
	}{{0, true}, {3, true}, {4, true}, {5, false}, {7, false}} {
		s := side{newRig(t, 2, 1), 2}
		s.start(0)
		s.write(0, cpuInterface+definitions.InterfacePoint, test.point)
		s.write(0, cpuInterface+definitions.InterfaceAliasPoint, test.point)
		require.EqualValues(t, max(test.point, 2), s.read(0, cpuInterface+definitions.InterfacePoint))
		s.enable(0, 40, 0xb0)
		s.enable(0, 41, 0x90)
		s.SetSPI(8, true)
		require.Equal(t, 40, s.take(0))
		s.SetSPI(9, true)
		require.Equal(t, test.preempted, s.lines[0] == "irq", "binary point %d", test.point)
	}
}
