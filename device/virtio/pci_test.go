package virtio

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Where the structures of pciModel are.
const (
	ioBase     = 0xc000
	memoryBAR  = 0xfebd_0000
	commonAt   = 0x0000
	isrAt      = 0x1000
	configAt   = 0x2000
	notifyAt   = 0x3000
	msixAt     = 0x40
	commonCap  = 0x50
	isrCap     = 0x60
	configCap  = 0x70
	notifyCap  = 0x84
	accessCap  = 0x98
	multiplier = 4
)

// pciModel is a virtio block device as QEMU shows it on PCI.
type pciModel struct {
	*model
	config [256]byte
	noIO   bool
	reads  int
}

// newPCIModel is transitional where deviceID is the legacy one.
func newPCIModel(t *testing.T, deviceID uint16, withCapabilities bool) *pciModel {
	p := &pciModel{model: newModel(t)}
	le := binary.LittleEndian
	le.PutUint16(p.config[pci.RegisterVendorID:], VendorID)
	le.PutUint16(p.config[pci.RegisterDeviceID:], deviceID)
	le.PutUint16(p.config[pci.RegisterSubsystemID:], TypeBlock)
	le.PutUint32(p.config[pci.RegisterBAR:], ioBase|pci.BARIO)
	le.PutUint32(p.config[pci.RegisterBAR+16:], memoryBAR|pci.BARType64|pci.BARPrefetchable)
	p.config[pci.RegisterStatus] = pci.StatusCapabilities
	p.config[pci.RegisterCapabilities] = msixAt
	copy(p.config[msixAt:], []byte{pci.CapabilityMSIX, commonCap, 1, pci.MSIXEnable >> 8})
	if !withCapabilities {
		p.config[msixAt+1] = 0
		return p
	}
	p.capability(commonCap, isrCap, CapabilityCommon, commonAt, 0x1000)
	p.capability(isrCap, configCap, CapabilityISR, isrAt, 0x1000)
	p.capability(configCap, notifyCap, CapabilityDevice, configAt, 0x1000)
	p.capability(notifyCap, accessCap, CapabilityNotify, notifyAt, 0x1000)
	p.config[notifyCap+CapabilityLength] = CapabilityNotifyBytes
	le.PutUint32(p.config[notifyCap+CapabilityMultiplier:], multiplier)
	p.capability(accessCap, 0, CapabilityPCIAccess, 0, 0)
	return p
}

func (p *pciModel) capability(at, next, kind uint8, offset, size uint32) {
	copy(p.config[at:], []byte{pci.CapabilityVendor, next, CapabilityBytes, kind, 4})
	binary.LittleEndian.PutUint32(p.config[at+CapabilityOffset:], offset)
	binary.LittleEndian.PutUint32(p.config[at+CapabilitySize:], size)
}

// Configuration implements pci.Space: the device is at 00:03.0.
func (p *pciModel) Configuration(a pci.Address) (device.Registers, error) {
	if a != pci.NewAddress(0, 0, 3, 0) {
		return fake{read: func(uint64, int) uint64 { return 0xffff_ffff_ffff_ffff }}, nil
	}
	return fake{
		read: func(offset uint64, width int) uint64 { p.reads++; return field(p.config[:], offset, width) },
		write: func(offset uint64, width int, v uint64) {
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], v)
			if offset == pci.RegisterCommand && v&pci.CommandBusMaster != 0 {
				require.Positive(p.t, p.resets, "bus mastering before the reset")
			}
			copy(p.config[offset:], b[:width])
		},
	}, nil
}

func (p *pciModel) command() uint8 { return p.config[pci.RegisterCommand] }

// Ports implements device.Bus.
func (p *pciModel) Ports(base, count uint16) (device.Registers, error) {
	if p.noIO {
		return nil, device.ErrNoBus
	}
	require.EqualValues(p.t, ioBase, base)
	inner := p.legacy().(fake)
	return fake{
		read: func(offset uint64, width int) uint64 {
			require.NotZero(p.t, p.command()&pci.CommandIO)
			require.Zero(p.t, p.config[msixAt+3]&(pci.MSIXEnable>>8), "MSI-X moves the configuration")
			return inner.read(offset, width)
		},
		write: inner.write,
	}, nil
}

// Memory implements device.Bus.
func (p *pciModel) Memory(r physmem.Range) (device.Registers, error) {
	switch r {
	case physmem.Range{Start: memoryBAR + commonAt, End: memoryBAR + commonAt + CommonSize}:
		return p.common(), nil
	case physmem.Range{Start: memoryBAR + configAt, End: memoryBAR + configAt + BlockConfigSize}:
		return p.configuration(), nil
	case physmem.Range{Start: memoryBAR + notifyAt + 3*multiplier, End: memoryBAR + notifyAt + 3*multiplier + 2}:
		return p.notification(), nil
	}
	p.t.Errorf("no registers at %v", r)
	return nil, device.ErrNoBus
}

func (p *pciModel) find(t *testing.T) *pci.Function {
	t.Helper()
	f, err := pci.Find(p, pci.NewAddress(0, 0, 3, 0), IsPCIBlock)
	require.NoError(t, err)
	return f
}

func TestOpenPCI(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		id           uint16
		capabilities bool
		change       func(*pciModel)
		prefer       bool
		legacy       bool
	}{
		"modern":                          {id: DeviceIDModern + TypeBlock, capabilities: true},
		"modern, legacy preferred":        {id: DeviceIDModern + TypeBlock, capabilities: true, prefer: true},
		"transitional":                    {id: DeviceIDLegacyBlock, capabilities: true},
		"transitional, legacy preferred":  {id: DeviceIDLegacyBlock, capabilities: true, prefer: true, legacy: true},
		"transitional, no ports":          {id: DeviceIDLegacyBlock, capabilities: true, prefer: true, change: func(p *pciModel) { p.noIO = true }},
		"legacy":                          {id: DeviceIDLegacyBlock, legacy: true},
		"a capability in an I/O BAR":      {id: DeviceIDLegacyBlock, capabilities: true, legacy: true, change: func(p *pciModel) { p.config[commonCap+CapabilityBAR] = 0 }},
		"a capability in BAR 200":         {id: DeviceIDLegacyBlock, capabilities: true, legacy: true, change: func(p *pciModel) { p.config[notifyCap+CapabilityBAR] = 200 }},
		"a BAR without an address":        {id: DeviceIDLegacyBlock, capabilities: true, legacy: true, change: func(p *pciModel) { clear(p.config[pci.RegisterBAR+16:][:8]) }},
		"a short capability":              {id: DeviceIDLegacyBlock, capabilities: true, legacy: true, change: func(p *pciModel) { p.config[notifyCap+CapabilityLength] = 16 }},
		"a small common structure":        {id: DeviceIDLegacyBlock, capabilities: true, legacy: true, change: func(p *pciModel) { clear(p.config[commonCap+CapabilitySize:][:4]) }},
		"two common structures":           {id: DeviceIDModern + TypeBlock, capabilities: true, change: func(p *pciModel) { p.capability(isrCap, configCap, CapabilityCommon, 0x777, 56) }},
		"a structure of gigabytes":        {id: DeviceIDModern + TypeBlock, capabilities: true, change: func(p *pciModel) { copy(p.config[configCap+CapabilitySize:], []byte{255, 255, 255, 255}) }},
		"a structure of an unknown kind":  {id: DeviceIDModern + TypeBlock, capabilities: true, change: func(p *pciModel) { p.config[isrCap+CapabilityType] = 255 }},
		"left running, with interrupts":   {id: DeviceIDModern + TypeBlock, capabilities: true, change: func(p *pciModel) { p.status = StatusDriverOK; p.config[pci.RegisterCommand] = 3 }},
		"left running, legacy, preferred": {id: DeviceIDLegacyBlock, capabilities: true, prefer: true, legacy: true, change: func(p *pciModel) { p.status = StatusDriverOK }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPCIModel(t, c.id, c.capabilities)
			if c.change != nil {
				c.change(p)
			}
			o := p.options()
			o.PreferLegacy = c.prefer
			tr, err := OpenPCI(p, p.find(t), o)
			require.NoError(t, err)
			require.Equal(t, c.legacy, tr.Legacy())
			require.NotZero(t, p.command()&pci.CommandBusMaster)
			require.NotZero(t, p.config[pci.RegisterCommand+1]&(pci.CommandInterruptDisable>>8))
			require.Less(t, p.reads, 50, "each costs two exits")
			b, err := NewBlock(tr, o)
			require.NoError(t, err)
			_, err = b.WriteAt(pattern(1, 4096), 512)
			require.NoError(t, err)
			require.Equal(t, pattern(1, 4096), p.disk[512:][:4096])
		})
	}
}

func TestOpenPCIRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*pciModel)
		want   error
	}{
		"another vendor":     {func(p *pciModel) { p.config[0] = 0 }, ErrNoDevice},
		"another device":     {func(p *pciModel) { p.config[3] = 0x20 }, ErrNoDevice},
		"no capabilities":    {func(p *pciModel) { p.config[msixAt+1] = 0 }, ErrTransport},
		"it cannot be reset": {func(p *pciModel) { p.status, p.deaf = 1, true }, ErrTimeout},
		"a structure at the end of memory": {func(p *pciModel) {
			copy(p.config[pci.RegisterBAR+16:], []byte{12, 0xf0, 255, 255, 255, 255, 0xf, 0})
			copy(p.config[commonCap+CapabilityOffset:], []byte{0xf0, 0xff, 0, 0})
		}, pci.ErrNoBAR},
	} {
		p := newPCIModel(t, DeviceIDModern+TypeBlock, true)
		c.change(p)
		f, err := pci.Open(p, pci.NewAddress(0, 0, 3, 0))
		require.NoError(t, err)
		_, err = OpenPCI(p, f, p.options())
		require.ErrorIs(t, err, c.want, name)
		require.Zero(t, p.command()&pci.CommandBusMaster, name)
	}
	p := newPCIModel(t, DeviceIDModern+TypeBlock, true)
	copy(p.config[notifyCap+CapabilitySize:], []byte{13, 0, 0, 0}) // the register is at 12
	tr, err := OpenPCI(p, p.find(t), p.options())
	require.NoError(t, err)
	_, err = NewBlock(tr, p.options())
	require.ErrorIs(t, err, ErrTransport)
	_, err = pci.Find(p, pci.NewAddress(0, 0, 9, 0), func(f *pci.Function) bool { return f.VendorID == 1 })
	require.ErrorIs(t, err, pci.ErrNoFunction)
}

// TestPCIAccesses counts the accesses to configuration space, which are two
// exits each by I/O ports.
func TestPCIAccesses(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"legacy": 16, "modern": 28} {
		id, o := uint16(DeviceIDLegacyBlock), Options{PreferLegacy: name == "legacy"}
		p := newPCIModel(t, id, true)
		tr, err := OpenPCI(p, p.find(t), o)
		require.NoError(t, err)
		require.Equal(t, name == "legacy", tr.Legacy())
		t.Logf("%s: %d reads of configuration space", name, p.reads)
		require.LessOrEqual(t, p.reads, want)
	}
}
