package capture_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/handoff"
)

func TestQuiesceAndWatchdogSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, value string
		want        capture.Settings
		problem     string
	}{
		{"quiesce", "0x1800,0x100000800", capture.Settings{Quiesce: []uint64{0x1800, 0x1_0000_0800}}, ""},
		{"quiesce", "0x1800,disk", capture.Settings{Quiesce: []uint64{0x1800}}, "want up to 256 numbers"},
		{"watchdog", "port,0x64,1,0xfe", capture.Settings{Watchdog: capture.Watchdog{Bus: handoff.BusPort, Address: 0x64, Width: 1, Value: 0xfe}}, ""},
		{"watchdog", "memory,0xfed00000,4,1", capture.Settings{Watchdog: capture.Watchdog{Bus: handoff.BusMMIO, Address: 0xfed00000, Width: 4, Value: 1}}, ""},
		{"watchdog", "port,0x64,3,0xfe", capture.Settings{}, "a width of 3 bytes"},
		{"watchdog", "wire,0x64,1,0xfe", capture.Settings{}, "want port or memory"},
		{"watchdog", "port,0x64,1,0x100000000", capture.Settings{}, "out of range"},
		{"watchdog", "port,0x64", capture.Settings{}, "want port or memory"},
	} {
		s, problems := capture.ParseSettings(handoff.Environment{{Name: tt.name, Value: tt.value}})
		require.Equal(t, tt.want, s, tt.value)
		if tt.problem == "" {
			require.Empty(t, problems)
			continue
		}
		require.Len(t, problems, 1)
		require.Contains(t, problems[0], tt.problem)
	}
}

// registers is the configuration of a function that has MSI and MSI-X.
type registers struct {
	device.Registers
	space [256]byte
}

func (r *registers) Read8(at uint64) uint8 { return r.space[at] }
func (r *registers) Read16(at uint64) uint16 {
	return uint16(r.space[at]) | uint16(r.space[at+1])<<8
}
func (r *registers) Read32(at uint64) uint32 {
	return uint32(r.Read16(at)) | uint32(r.Read16(at+2))<<16
}
func (r *registers) Write16(at uint64, v uint16) { r.space[at], r.space[at+1] = byte(v), byte(v>>8) }

func TestQuiesce(t *testing.T) {
	t.Parallel()
	r := &registers{}
	r.Write16(pci.RegisterVendorID, 0x1af4)
	r.Write16(pci.RegisterCommand, pci.CommandMemory|pci.CommandBusMaster)
	r.Write16(pci.RegisterStatus, pci.StatusCapabilities)
	r.space[pci.RegisterCapabilities] = 0x40
	copy(r.space[0x40:], []byte{pci.CapabilityMSI, 0x50, pci.MSIEnable, 0})
	copy(r.space[0x50:], []byte{pci.CapabilityMSIX, 0, 0, pci.MSIXEnable >> 8})
	h := capture.Host{Settings: capture.Settings{Quiesce: []uint64{0x1800, 0x2000}}}
	missing := errors.New("nobody is there")
	errs := h.Quiesce(func(a pci.Address) (*pci.Function, error) {
		if a != 0x1800 {
			return nil, missing
		}
		return &pci.Function{Address: a, Configuration: r}, nil
	})
	require.Len(t, errs, 1, "the rest goes on")
	require.ErrorIs(t, errs[0], missing)
	require.Len(t, h.Marks, 1)
	require.Equal(t, uint16(pci.CommandMemory|pci.CommandInterruptDisable), r.Read16(pci.RegisterCommand))
	require.Zero(t, r.Read16(0x42)&pci.MSIEnable)
	require.Zero(t, r.Read16(0x52)&pci.MSIXEnable)
}

func TestPatted(t *testing.T) {
	t.Parallel()
	h := capture.Host{Panic: &handoff.PanicArea{}, Block: &handoff.Block{}}
	h.Panic.Phases[handoff.PhaseEntered] = 1000
	for _, tt := range []struct{ now, longest uint64 }{{1500, 500}, {1600, 500}, {2600, 1000}, {2500, 1000}} {
		longest, err := h.Patted(nil, tt.now)
		require.Error(t, err, "there is no panic area to write to")
		require.Equal(t, tt.longest, longest)
	}
}
