package rescue

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/efi"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

func testConfig(h *testHost) Config { return Config{Platform: h, Image: testImage(handoff.AMD64)} }

func arm(t *testing.T, c Config) *Armed {
	t.Helper()
	armed, err := Arm(c)
	require.NoError(t, err)
	return armed
}

func TestArm(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	c := testConfig(h)
	c.Environment = handoff.Environment{{Name: "secret", Value: "1"}, {Name: "debug.rescue.level", Value: "9"}}
	c.Settings = handoff.Environment{{Name: "level", Value: "3"}, {Name: "finish", Value: "reset"}}
	armed := arm(t, c)

	r := armed.Reservation()
	require.Equal(t, uint64(8<<20), r.Size())
	require.Equal(t, physmem.Ranges{r}, h.reserved)
	require.True(t, h.facts.Map.RAM().ContainsRange(r))
	require.Contains(t, armed.Report().String(), "image")

	opened, err := reserve.Open((*hostMemory)(h), r.Start, reserve.StageBoth)
	require.NoError(t, err)
	environment, err := opened.Environment()
	require.NoError(t, err)
	require.Equal(t, handoff.Environment{{Name: "level", Value: "9"}, {Name: "finish", Value: "reset"}}, environment)
	table, err := opened.Firmware(handoff.FirmwareE820)
	require.NoError(t, err)
	entries, err := efi.ParseE820(table.Data, efi.EntrySizeLinux)
	require.NoError(t, err)
	restricted, err := entries.MemoryMap()
	require.NoError(t, err)
	require.Equal(t, physmem.Ranges{r}, restricted.RAM(), "the reservation is the rescue program's only RAM")

	// The host can write what a panic is written to, and no other page of it.
	block := armed.Block()
	for part := range handoff.Part(handoff.MaxParts) {
		pages := block.Range(part)
		if pages.IsEmpty() {
			continue
		}
		_, err := (*hostMemory)(h).WritePhysical([]byte{0}, pages.End-1)
		if block.Parts[part].Access&handoff.AccessHostWrite != 0 {
			require.NoError(t, err, part)
		} else {
			require.ErrorIs(t, err, errHost, part)
		}
	}
	require.Equal(t, map[physmem.Range]bool{block.Range(handoff.PartTrampoline): true, block.Range(handoff.PartTrampolineRAM): false}, h.identity)

	require.NotNil(t, h.handler.Run)
	require.Equal(t, block.Range(handoff.PartPanicStack), h.handler.Stack)
	ist := block.Range(handoff.PartISTStacks)
	for _, stack := range []physmem.Range{h.handler.NMIStack, h.handler.DoubleFaultStack, h.handler.MachineCheckStack} {
		require.True(t, ist.ContainsRange(stack))
		require.GreaterOrEqual(t, stack.Size(), uint64(4096))
	}
	require.False(t, h.handler.NMIStack.Overlaps(h.handler.DoubleFaultStack))
	require.False(t, h.handler.DoubleFaultStack.Overlaps(h.handler.MachineCheckStack))
}

func TestArmGivesTheImageBack(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	c := testConfig(h)
	c.ImageRange = physmem.Range{Start: hostStart, End: hostStart + 0x4000}
	h.reserved = physmem.Ranges{c.ImageRange}
	require.Equal(t, physmem.Ranges{arm(t, c).Reservation()}, h.reserved)
}

// Whatever fails, the host is as it was.
func TestArmFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(h *testHost, c *Config)
		want   error
		says   string
	}{
		{"no platform", func(_ *testHost, c *Config) { c.Platform = nil }, ErrConfig, "required"},
		{"no image", func(_ *testHost, c *Config) { c.Image = nil }, ErrConfig, "required"},
		{"facts", func(h *testHost, _ *Config) { h.fail = "facts" }, errHost, "facts of the host"},
		{"memory", func(h *testHost, _ *Config) { h.fail = "memory" }, errHost, "memory of the host"},
		{"reserve", func(h *testHost, _ *Config) { h.fail = "reserve" }, errHost, ""},
		{"identity of the code", func(h *testHost, _ *Config) { h.fail = "identity" }, errHost, ""},
		{"identity of the stack", func(h *testHost, _ *Config) { h.fail, h.after = "identity", 1 }, errHost, ""},
		{"protect", func(h *testHost, _ *Config) { h.fail = "protect" }, errHost, ""},
		{"virtual address", func(h *testHost, _ *Config) { h.fail = "virtual" }, errHost, ""},
		{"handler", func(h *testHost, _ *Config) { h.fail = "onpanic" }, errHost, ""},
		{"image of another architecture", func(_ *testHost, c *Config) { c.Image = testImage(handoff.ARM64) }, ErrHost, "the image is for arm64, the host is amd64"},
		{"image that is none", func(_ *testHost, c *Config) { c.Image = testImage(3) }, reserve.ErrImage, ""},
		{"paging", func(h *testHost, _ *Config) { h.facts.PagingLevels = 3 }, ErrHost, "3 levels"},
		{"memory that is too high", func(h *testHost, _ *Config) {
			high := physmem.Region{Range: physmem.Range{Start: 16 << 40, End: 17 << 40}, Type: physmem.MemoryRAM}
			h.facts.Map, _ = h.facts.Map.With(high)
		}, ErrHost, "beyond 0x100000000000"},
		{"environment", func(_ *testHost, c *Config) {
			c.Settings = handoff.Environment{{Name: "a=b", Value: "c"}}
		}, handoff.ErrInvalid, "environment"},
		{"earlier records", func(h *testHost, c *Config) {
			earlier := *c
			earlier.Image = testImage(handoff.AMD64)
			armed, err := Arm(earlier)
			if err == nil {
				err = armed.Disarm()
			}
			if err != nil {
				panic(err)
			}
			c.Earlier = func(*reserve.Earlier) error { return errHost }
		}, errHost, "what an earlier boot left"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newTestHost(t)
			c := testConfig(h)
			test.change(h, &c)
			before := append([]byte(nil), h.ram...)
			armed, err := Arm(c)
			require.Nil(t, armed)
			require.ErrorIs(t, err, test.want)
			require.ErrorContains(t, err, test.says)
			require.Nil(t, h.handler.Run)
			require.Empty(t, h.protected)
			if h.fail == "protect" { // and so cannot be undone: nobody may get this memory
				require.NotEmpty(t, h.reserved)
				return
			}
			require.Empty(t, h.reserved)
			require.Empty(t, h.identity)
			if test.name == "earlier records" {
				require.Equal(t, before, h.ram, "nothing may be written before the records are taken")
			}
		})
	}
}

func TestArmRefusesLessThanTheLeast(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	c := testConfig(h)
	c.Place.Size = 4 << 20
	_, err := Arm(c)
	var small *reserve.TooSmallError
	require.ErrorAs(t, err, &small)
	require.Equal(t, uint64(8<<20), small.Report.Least)

	c = testConfig(h)
	h.facts.Used = h.facts.Map.RAM()
	_, err = Arm(c)
	var space *physmem.SpaceError
	require.ErrorAs(t, err, &space)
}

func TestDisarm(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	armed := arm(t, testConfig(h))
	armed.Panic("on demand")
	require.Equal(t, []string{"on demand"}, h.panicked)
	require.NoError(t, armed.Disarm())
	require.Empty(t, h.reserved)
	require.Empty(t, h.protected)
	require.Empty(t, h.identity)
	require.Nil(t, h.handler.Run)
	require.ErrorIs(t, armed.Disarm(), ErrDisarmed)
	_, err := armed.Rearm(testConfig(h))
	require.ErrorIs(t, err, ErrDisarmed)
}

// Memory that is still read-only or executable is not given back.
func TestDisarmKeepsWhatItCannotFree(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	armed := arm(t, testConfig(h))
	h.fail = "unmap"
	require.ErrorIs(t, armed.Disarm(), errHost)
	require.Equal(t, physmem.Ranges{armed.Reservation()}, h.reserved)
}

func TestRearm(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	first := arm(t, testConfig(h))
	inForce := h.handler.Block

	for _, fail := range []string{"reserve", "identity", "protect", "virtual", "onpanic", "release"} {
		h.fail, h.after = fail, 0
		image := physmem.Range{Start: hostStart, End: hostStart + 0x4000} // of the new image
		_, err := first.Rearm(Config{Image: testImage(handoff.AMD64), ImageRange: image})
		require.ErrorIs(t, err, errHost, fail)
		require.Equal(t, inForce, h.handler.Block, fail)
		h.fail = ""
		_, err = reserve.Open((*hostMemory)(h), first.Reservation().Start, reserve.StageBoth)
		require.NoError(t, err, "the first arming is broken after a failed one: %s", fail)
		require.True(t, h.protected.ContainsRange(first.block.Range(handoff.PartImage)), fail)
	}

	second, err := first.Rearm(Config{Image: testImage(handoff.AMD64)})
	require.NoError(t, err)
	require.True(t, h.reserved.ContainsRange(second.Reservation()))
	require.False(t, h.reserved.Overlaps(first.Reservation()), "the first arming's memory was not given back")
	require.NotEqual(t, inForce, h.handler.Block)
	require.ErrorIs(t, first.Disarm(), ErrDisarmed)
	require.NoError(t, second.Disarm())
}

func TestEarlierRecordsReachTheCaller(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	armed := arm(t, testConfig(h))
	records := armed.block.Range(handoff.PartRecords)
	copy(h.ram[records.Start-h.start:], "what happened")
	c := &handoff.PanicContext{Reason: handoff.ReasonNMI, Depth: 1}
	require.NotZero(t, h.handler.Run(c, h.handler.Block, h.handler.PanicArea))

	// The next boot: nothing is reserved, memory is as it was.
	h.reserved, h.protected, h.handler = nil, nil, handoff.PanicHandler{}
	var found *reserve.Earlier
	config := testConfig(h)
	config.Earlier = func(e *reserve.Earlier) error { found = e; return nil }
	again := arm(t, config)
	require.Equal(t, armed.Reservation(), again.Reservation(), "planning must be deterministic")
	require.NotNil(t, found)
	require.Equal(t, "what happened", string(found.Records[:13]))
	require.Equal(t, handoff.ReasonNMI, found.Panic.Reason)
}
