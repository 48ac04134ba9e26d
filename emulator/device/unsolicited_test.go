package device_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// What a device does by itself is what its function's registers let it do.
func TestUnsolicited(t *testing.T) {
	t.Parallel()
	const at, size = ramBase + 0x8000, 4096
	for _, test := range []struct {
		name               string
		change             func(f *pci.Function)
		wrote, interrupted bool
	}{
		{"as a panic leaves it", func(*pci.Function) {}, true, true},
		{"not the bus's master", func(f *pci.Function) { f.Disable(pci.CommandBusMaster) }, false, true},
		{"pin disabled", func(f *pci.Function) { f.Enable(pci.CommandInterruptDisable) }, true, false},
		{"MSI-X", func(f *pci.Function) { setMSIX(f, pci.MSIXEnable) }, true, true},
		{"MSI-X, pin disabled", func(f *pci.Function) {
			setMSIX(f, pci.MSIXEnable)
			f.Enable(pci.CommandInterruptDisable)
		}, true, true},
		{"MSI-X masked", func(f *pci.Function) { setMSIX(f, pci.MSIXEnable|pci.MSIXFunctionMask) }, true, false},
		{"MSI-X, not the bus's master", func(f *pci.Function) {
			setMSIX(f, pci.MSIXEnable)
			f.Disable(pci.CommandBusMaster)
		}, false, false},
		{"MSI-X, silenced", func(f *pci.Function) {
			setMSIX(f, pci.MSIXEnable)
			f.DisableInterrupts()
			f.Disable(pci.CommandBusMaster)
		}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var l line
			c := newComputer(t, device.PCITransitional, l.changes)
			b := c.blocks[0]
			b.Busy()
			test.change(c.function(0))
			memory := physmem.Ranges{{Start: at, End: at + size}}
			wrote, interrupted := b.Unsolicited(memory)
			require.Equal(t, test.wrote, wrote)
			require.Equal(t, test.interrupted, interrupted)
			want := make([]byte, size)
			if test.wrote {
				want = bytes.Repeat([]byte{device.ScribblePattern}, size)
			}
			require.Equal(t, want, c.ram[at-ramBase:][:size])
			messages := c.function(0).Configuration.Read16(msixControl(c.function(0)))&pci.MSIXEnable != 0
			if test.interrupted && !messages {
				require.Equal(t, []bool{true}, l.levels)
				c.function(0).DisableInterrupts()
				require.Equal(t, []bool{true, false}, l.levels, "the pin stays asserted")
			} else {
				require.Empty(t, l.levels)
			}
		})
	}
}

// msixControl is where a function has its MSI-X control.
func msixControl(f *pci.Function) uint64 {
	for _, c := range f.Capabilities() {
		if c.ID == pci.CapabilityMSIX {
			return c.Offset + pci.MessageControl
		}
	}
	return 0
}

func setMSIX(f *pci.Function, bits uint16) { f.Configuration.Write16(msixControl(f), bits) }
