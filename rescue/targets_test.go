package rescue

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
)

// testDisk is a disk in memory.
type testDisk struct {
	b      []byte
	closed int
}

func (d *testDisk) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(d.b).ReadAt(p, off)
}
func (d *testDisk) WriteAt(p []byte, off int64) (int, error) { return copy(d.b[off:], p), nil }
func (d *testDisk) Size() int64                              { return int64(len(d.b)) }
func (d *testDisk) Close() error                             { d.closed++; return nil }

func newTestDisk(t *testing.T, size int) (*testDisk, *target.Label) {
	t.Helper()
	d := &testDisk{b: make([]byte, size)}
	l, err := target.Prepare(d, target.PrepareOptions{ID: target.ID{4, 2}, Size: d.Size()})
	require.NoError(t, err)
	return d, l
}

func TestArmReadsLabels(t *testing.T) {
	t.Parallel()
	d, l := newTestDisk(t, 4<<20)
	h := newTestHost(t)
	c := testConfig(h)
	c.Targets = []handoff.Target{{Kind: handoff.TargetBlock, Bus: handoff.BusPCI, Address: 3 << 11}, {Kind: handoff.TargetRecord}}
	c.Devices = func(handoff.Target) (Device, error) { return d, nil }
	block := arm(t, c).Block()
	require.Equal(t, []handoff.Target{{Kind: handoff.TargetBlock, Bus: handoff.BusPCI, Address: 3 << 11,
		DeviceSize: 4 << 20, Length: 4 << 20, Label: l.ID}, {Kind: handoff.TargetRecord}}, block.Targets)
	require.Equal(t, 1, d.closed)
	require.Zero(t, c.Targets[0].Length, "the configuration is the caller's")
}

func TestArmRefusesTargets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(t *testing.T, h *testHost, d *testDisk, c *Config)
		want   error
	}{
		"missing": {func(_ *testing.T, _ *testHost, _ *testDisk, c *Config) {
			c.Devices = func(handoff.Target) (Device, error) { return nil, errHost }
		}, errHost},
		"unlabelled":     {func(_ *testing.T, _ *testHost, d *testDisk, _ *Config) { clear(d.b) }, target.ErrNoLabel},
		"another label":  {func(_ *testing.T, _ *testHost, _ *testDisk, c *Config) { c.Targets[0].Label[0] = 9 }, target.ErrMismatch},
		"another length": {func(_ *testing.T, _ *testHost, _ *testDisk, c *Config) { c.Targets[0].Length = 512 }, target.ErrMismatch},
		"another device": {func(_ *testing.T, _ *testHost, _ *testDisk, c *Config) { c.Targets[0].DeviceSize = 512 }, target.ErrMismatch},
		"too small": {func(_ *testing.T, h *testHost, _ *testDisk, _ *Config) {
			copy(h.ram[0x20000:], bytes.Repeat([]byte{0xff}, 1024))
		}, target.ErrTooSmall},
		"bitmap that cannot be read": {func(_ *testing.T, h *testHost, _ *testDisk, _ *Config) {
			h.facts.Bitmap.Extents[0].Start, h.facts.Bitmap.Extents[0].End = 1<<40, 1<<40+4096
		}, nil},
	} {
		d, l := newTestDisk(t, 4<<20)
		h := newTestHost(t)
		c := testConfig(h)
		c.Targets = []handoff.Target{{Kind: handoff.TargetBlock, Label: l.ID}}
		c.Devices = func(handoff.Target) (Device, error) { return d, nil }
		test.change(t, h, d, &c)
		_, err := Arm(c)
		require.Error(t, err, name)
		require.Empty(t, h.reserved, name)
		if test.want == nil {
			continue
		}
		require.ErrorIs(t, err, test.want, name)
		require.ErrorIs(t, err, ErrTarget, name)
		var refused *TargetError
		require.True(t, errors.As(err, &refused))
		require.Zero(t, refused.Index)

		if name == "too small" {
			c.Targets[0].Flags = handoff.TargetTruncate
			_, err := Arm(c)
			require.NoError(t, err)
		}
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	copy(h.ram[0x20000:], bytes.Repeat([]byte{0xff}, 125)) // 1000 pages
	c := testConfig(h)
	c.Targets = []handoff.Target{
		{Kind: handoff.TargetBlock, Length: 1 << 30, DeviceSize: 1 << 30},
		{Kind: handoff.TargetBlock, Length: 2 << 20, DeviceSize: 1 << 30},
		{Kind: handoff.TargetSerial, Speed: 115200}, {Kind: handoff.TargetRecord},
	}
	armed := arm(t, c)
	e, err := armed.Estimate()
	require.NoError(t, err)
	require.Equal(t, uint64(1000), e.Pages)
	require.InDelta(t, 1000*4096, float64(e.Bytes), 128<<10)
	require.Len(t, e.Targets, 4)
	require.True(t, e.Targets[0].Fits)
	require.False(t, e.Targets[1].Fits)
	require.Less(t, e.Targets[0].Duration, time.Second)
	require.InDelta(t, 180, e.Targets[2].Duration.Seconds(), 10)
	require.Zero(t, e.Targets[3].Duration)
	require.Contains(t, e.String(), "dump of 1000 pages")

	h.facts.Bitmap = handoff.Region{}
	next, err := armed.Rearm(c)
	require.NoError(t, err)
	e, err = next.Estimate()
	require.NoError(t, err)
	require.InDelta(t, hostSize/4096, float64(e.Pages), 4096, "without a bitmap all RAM is dumped")
	h.fail = "memory"
	_, err = next.Estimate()
	require.ErrorIs(t, err, errHost)
}
