package rescue

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/ramoops"
)

var ramoopsRegion = physmem.Range{Start: hostStart + 40<<20, End: hostStart + 40<<20 + 64<<10}

// inZone is the record in the zone of a region; nil if it is empty.
func inZone(t *testing.T, h *testHost, number int) *record.Record {
	t.Helper()
	region := h.ram[ramoopsRegion.Start-h.start:][:ramoopsRegion.Size()]
	zones, err := ramoops.DefaultGeometry().Zones(len(region))
	require.NoError(t, err)
	content, err := ramoops.Content(region[zones[number].Offset:][:zones[number].Size])
	if err != nil {
		return nil
	}
	dump, err := ramoops.ParseDump(content)
	require.NoError(t, err)
	data, err := ramoops.Record(dump.Text)
	require.NoError(t, err)
	r, err := record.Decode(data)
	require.NoError(t, err)
	return r
}

// The record of each boot's panic lies in a zone of its own, and the memory is the
// host's again when it is disarmed.
func TestRamoops(t *testing.T) {
	h := guardedHost(t, false)
	c := testConfig(h)
	c.Ramoops.Region = ramoopsRegion
	for boot := range 2 {
		armed := arm(t, c)
		require.True(t, h.reserved.ContainsRange(ramoopsRegion))
		require.Nil(t, inZone(t, h, boot))
		require.Equal(t, armed.FreezePoint(), h.run(testContext()))
		got := inZone(t, h, boot)
		require.NotNil(t, got)
		require.Equal(t, record.ClassPage, got.Class)
		require.Equal(t, "ramoops", h.panicArea(t, &armed.block).Notifiers[0].Name)

		next, err := armed.Rearm(c) // the region stays reserved
		require.NoError(t, err)
		require.True(t, h.reserved.ContainsRange(ramoopsRegion))
		require.NoError(t, next.Disarm())
		require.Empty(t, h.reserved)
	}
}

func TestRearmMovesRamoops(t *testing.T) {
	h := guardedHost(t, false)
	c := testConfig(h)
	c.Ramoops.Region = ramoopsRegion
	armed := arm(t, c)
	c.Ramoops = Ramoops{}
	_, err := armed.Rearm(c)
	require.NoError(t, err)
	require.False(t, h.reserved.Overlaps(ramoopsRegion))
}

func TestArmRefusesRamoops(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ramoops Ramoops
		want    error
	}{
		"half a page":    {Ramoops{Region: physmem.Range{Start: ramoopsRegion.Start, End: ramoopsRegion.Start + 2048}}, ErrConfig},
		"too large":      {Ramoops{Region: physmem.Range{Start: 0, End: 1 << 40}}, ErrConfig},
		"no room":        {Ramoops{Region: physmem.Range{Start: ramoopsRegion.Start, End: ramoopsRegion.Start + 4096}}, ErrConfig},
		"no dumps in it": {Ramoops{Region: ramoopsRegion, Geometry: ramoops.Geometry{ConsoleSize: 4096}}, ErrConfig},
		"not memory":     {Ramoops{Region: physmem.Range{Start: 1 << 40, End: 1<<40 + 64<<10}}, physmem.ErrOutside},
	} {
		h := newTestHost(t)
		c := testConfig(h)
		c.Ramoops = test.ramoops
		_, err := Arm(c)
		require.ErrorIs(t, err, test.want, name)
		require.Empty(t, h.reserved, name)
	}
}
