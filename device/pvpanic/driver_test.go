package pvpanic_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pvpanic"
)

// register is the device's one register: what a read gives, and what was written.
type register struct {
	device.Registers
	known   uint8
	written uint8
}

func (r *register) Read8(uint64) uint8       { return r.known }
func (r *register) Write8(_ uint64, v uint8) { r.written = v }

func TestReport(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		known, events uint8
		want          bool
	}{
		"panicked":                {pvpanic.Panicked, pvpanic.Panicked, true},
		"both":                    {pvpanic.Panicked | pvpanic.CrashLoaded, pvpanic.CrashLoaded, true},
		"an event of later":       {pvpanic.Panicked, pvpanic.CrashLoaded, false},
		"no device, all ones":     {0xff, pvpanic.Panicked, false},
		"a device without events": {0, pvpanic.Panicked, false},
	} {
		r := &register{known: c.known}
		require.Equal(t, c.want, pvpanic.Report(r, c.events), name)
		if c.want {
			require.Equal(t, c.events, r.written, name)
		} else {
			require.Zero(t, r.written, name)
		}
	}
}
