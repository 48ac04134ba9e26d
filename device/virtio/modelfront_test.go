package virtio

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// fake are registers of functions.
type fake struct {
	read  func(offset uint64, width int) uint64
	write func(offset uint64, width int, v uint64)
}

var _ device.Registers = fake{}

func (f fake) Read8(offset uint64) uint8       { return uint8(f.read(offset, 1)) }
func (f fake) Read16(offset uint64) uint16     { return uint16(f.read(offset, 2)) }
func (f fake) Read32(offset uint64) uint32     { return uint32(f.read(offset, 4)) }
func (f fake) Read64(offset uint64) uint64     { return f.read(offset, 8) }
func (f fake) Write8(offset uint64, v uint8)   { f.write(offset, 1, uint64(v)) }
func (f fake) Write16(offset uint64, v uint16) { f.write(offset, 2, uint64(v)) }
func (f fake) Write32(offset uint64, v uint32) { f.write(offset, 4, uint64(v)) }
func (f fake) Write64(offset uint64, v uint64) { f.write(offset, 8, v) }

// field reads little-endian bytes as a register.
func field(b []byte, offset uint64, width int) uint64 {
	var v [8]byte
	if offset < uint64(len(b)) {
		copy(v[:width], b[offset:])
	}
	return binary.LittleEndian.Uint64(v[:])
}

// legacy are the ports of the model's legacy PCI interface.
func (m *model) legacy() device.Registers {
	base := uint64(0)
	return fake{
		read: func(offset uint64, width int) uint64 {
			m.accesses++
			switch {
			case offset >= LegacyConfig:
				return field(m.config(), offset-LegacyConfig, width)
			case offset == LegacyDeviceFeatures:
				return m.features & 0xffff_ffff
			case offset == LegacyQueueSize:
				return uint64(m.queueSize)
			case offset == LegacyQueueAddress:
				return base
			case offset == LegacyStatus:
				return uint64(m.status)
			}
			m.t.Errorf("read of legacy register %d", offset)
			return 0
		},
		write: func(offset uint64, width int, v uint64) {
			m.accesses++
			switch offset {
			case LegacyDriverFeatures:
				m.driverFeatures = v
			case LegacyQueueAddress:
				base = v
				m.setQueue(m.queueSize, legacyQueue(v<<12, m.queueSize))
			case LegacyQueueSelect:
				require.Zero(m.t, v)
			case LegacyQueueNotify:
				m.notify()
			case LegacyStatus:
				m.setStatus(uint8(v))
			default:
				m.t.Errorf("write of legacy register %d", offset)
			}
		},
	}
}

// common is the model's common configuration structure.
func (m *model) common() device.Registers {
	r := make([]byte, CommonSize)
	return fake{
		read: func(offset uint64, width int) uint64 {
			m.accesses++
			switch offset {
			case CommonDeviceFeature:
				return m.features >> (32 * field(r, CommonDeviceFeatureSelect, 4)) & 0xffff_ffff
			case CommonStatus:
				return uint64(m.status)
			case CommonGeneration:
				if m.generation != nil {
					return uint64(m.generation())
				}
				return 7
			case CommonQueueSize:
				return uint64(m.queueSize)
			case CommonQueueNotifyOffset:
				return 3
			}
			return field(r, offset, width)
		},
		write: func(offset uint64, width int, v uint64) {
			m.accesses++
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], v)
			copy(r[offset:], b[:width])
			switch offset {
			case CommonDriverFeature:
				shift := 32 * field(r, CommonDriverFeatureSelect, 4)
				m.driverFeatures = m.driverFeatures&^(0xffff_ffff<<shift) | v<<shift
			case CommonStatus:
				m.setStatus(uint8(v))
			case CommonQueueEnable:
				require.EqualValues(m.t, NoVector, field(r, CommonQueueVector, 2))
				require.EqualValues(m.t, NoVector, field(r, CommonConfigVector, 2))
				m.setQueue(uint16(field(r, CommonQueueSize, 2)), QueueAddresses{
					Descriptors: physmem.Address(field(r, CommonQueueDescriptors, 8)),
					Available:   physmem.Address(field(r, CommonQueueAvailable, 8)),
					Used:        physmem.Address(field(r, CommonQueueUsed, 8)),
				})
			}
		},
	}
}

// readOnly are registers with the configuration.
func (m *model) configuration() device.Registers {
	return fake{
		read:  func(offset uint64, width int) uint64 { m.accesses++; return field(m.config(), offset, width) },
		write: func(uint64, int, uint64) { m.t.Error("write to the configuration") },
	}
}

// notification is the register of queue 0.
func (m *model) notification() device.Registers {
	return fake{
		read: func(uint64, int) uint64 { m.t.Error("read of the notification register"); return 0 },
		write: func(_ uint64, width int, v uint64) {
			m.accesses++
			require.Equal(m.t, 2, width)
			require.Zero(m.t, v)
			m.notify()
		},
	}
}

// mmio are the registers of the MMIO transport.
func (m *model) mmio(version uint32) device.Registers {
	r := map[uint64]uint64{}
	wide := func(at uint64) physmem.Address { return physmem.Address(r[at] | r[at+4]<<32) }
	return fake{
		read: func(offset uint64, width int) uint64 {
			m.accesses++
			if offset >= MMIOConfig {
				return field(m.config(), offset-MMIOConfig, width)
			}
			require.Equal(m.t, 4, width)
			switch offset {
			case MMIOMagic:
				return MagicValue
			case MMIOVersion:
				return uint64(version)
			case MMIODeviceID:
				return TypeBlock
			case MMIODeviceFeatures:
				return m.features >> (32 * r[MMIODeviceFeatureSelect]) & 0xffff_ffff
			case MMIOQueueMaximum:
				return uint64(m.queueSize)
			case MMIOStatus:
				return uint64(m.status)
			case MMIOGeneration:
				require.EqualValues(m.t, 2, version)
				if m.generation != nil {
					return uint64(m.generation())
				}
				return 0
			}
			m.t.Errorf("read of MMIO register %#x", offset)
			return 0
		},
		write: func(offset uint64, width int, v uint64) {
			m.accesses++
			require.Equal(m.t, 4, width)
			r[offset] = v
			switch offset {
			case MMIODriverFeatures:
				shift := 32 * r[MMIODriverFeatureSelect]
				m.driverFeatures = m.driverFeatures&^(0xffff_ffff<<shift) | v<<shift
			case MMIOStatus:
				m.setStatus(uint8(v))
			case MMIOQueueNotify:
				m.notify()
			case MMIOQueueAddress:
				require.EqualValues(m.t, 1, version)
				require.EqualValues(m.t, LegacyAlignment, r[MMIOQueueAlign])
				m.setQueue(uint16(r[MMIOQueueSize]), legacyQueue(v*r[MMIOGuestPageSize], uint16(r[MMIOQueueSize])))
			case MMIOQueueReady:
				require.EqualValues(m.t, 2, version)
				m.setQueue(uint16(r[MMIOQueueSize]), QueueAddresses{wide(MMIOQueueDescriptors), wide(MMIOQueueAvailable), wide(MMIOQueueUsed)})
			}
		},
	}
}

// transports are the ways to reach a model.
var transports = map[string]func(*model) (Transport, error){
	"legacy PCI": func(m *model) (Transport, error) { return NewLegacyPCI(m.legacy(), TypeBlock), nil },
	"modern PCI": func(m *model) (Transport, error) {
		return NewModernPCI(ModernParts{
			Common: m.common(), Device: m.configuration(), NotifyMultiplier: 4,
			Notify: func(offset uint64) (device.Registers, error) {
				if offset != 12 {
					return nil, errors.New("not the notification register")
				}
				return m.notification(), nil
			},
		}, TypeBlock), nil
	},
	"MMIO 1": func(m *model) (Transport, error) { return NewMMIO(m.mmio(1)) },
	"MMIO 2": func(m *model) (Transport, error) { return NewMMIO(m.mmio(2)) },
}

// open starts a model by a transport.
func (m *model) open(t testing.TB, transport string, change ...func(*Options)) (*Block, error) {
	t.Helper()
	tr, err := transports[transport](m)
	require.NoError(t, err)
	o := m.options()
	for _, f := range change {
		f(&o)
	}
	return NewBlock(tr, o)
}

// eachTransport runs a test on every transport.
func eachTransport(t *testing.T, test func(t *testing.T, m *model, transport string)) {
	for name := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newModel(t), name)
		})
	}
}
