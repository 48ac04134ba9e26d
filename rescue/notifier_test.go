package rescue

import (
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/record"
)

// What the notifiers of these tests saw. They run in this process, one test at a
// time.
var (
	called   []string
	inspect  func(*handoff.Notice)
	stopping uint32
	atStop   func()
)

func first(n *handoff.Notice) {
	called = append(called, "first")
	if inspect != nil {
		inspect(n)
	}
}
func second(*handoff.Notice) { called = append(called, "second") }
func third(*handoff.Notice)  { called = append(called, "third") }

// plainGuard is a guard that ends what faults: an access to page 0.
func plainGuard(function uintptr, n *handoff.Notice, _ uint64) (o handoff.Outcome, vector uint32, pc uint64) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			o, vector = handoff.OutcomeFaulted, 14
		}
	}()
	callNotice(function, n)
	return handoff.OutcomeDone, 0, 0
}

func stopAll(patience uint64) uint32 {
	stopping = uint32(patience)
	if atStop != nil {
		atStop()
	}
	return 2
}

// guardedHost is a host whose kernel lends what a panic path may use.
func guardedHost(t *testing.T, timer bool) *testHost {
	t.Helper()
	called, inspect, stopping, atStop = nil, nil, 0, nil
	h := newTestHost(t)
	h.facts.Panic = handoff.PanicMachine{StopOthers: stopAll, Guard: plainGuard, Timer: timer}
	h.facts.Clock = handoff.Clock{Kilohertz: 1_000_000, Counter: 1000, Wall: 5e18}
	return h
}

func threeNotifiers() []Notifier {
	return []Notifier{
		{Name: "third", List: handoff.ListPostReboot, Run: third},
		{Name: "second", List: handoff.ListInformational, Run: second, LoopFree: true},
		{Name: "first", List: handoff.ListHypervisor, Run: first, LoopFree: true},
	}
}

func TestNotifiersBeforeTheHandOff(t *testing.T) {
	for _, tt := range []struct {
		name  string
		level Level
		skip  []string
		timer bool
		want  []string
	}{
		{"default", LevelDefault, nil, true, []string{"first", "second"}},
		{"none", LevelNone, nil, true, nil},
		{"hypervisor", LevelHypervisor, nil, true, []string{"first"}},
		{"all", LevelAll, nil, true, []string{"first", "second", "third"}},
		{"all without a timer", LevelAll, nil, false, []string{"first", "second"}},
		{"skipped", LevelAll, []string{"first"}, true, []string{"second", "third"}},
	} {
		h := guardedHost(t, tt.timer)
		c := testConfig(h)
		c.Notifiers, c.Level, c.SkipNotifiers = threeNotifiers(), tt.level, tt.skip
		armed := arm(t, c)
		require.Equal(t, armed.FreezePoint(), h.run(testContext()), tt.name)
		require.Equal(t, tt.want, called, tt.name)
		area := h.panicArea(t, &armed.block)
		require.Equal(t, uint32(2), area.NotStopped)
		require.Equal(t, uint32(100_000_000), stopping, "100 ms at a gigahertz")
	}
	h := guardedHost(t, true)
	h.facts.MessageBuffer = handoff.Region{}
	c := testConfig(h)
	c.Notifiers = threeNotifiers()
	arm(t, c)
	h.run(testContext())
	require.Equal(t, []string{"first"}, called, "nobody records what the second would print")
}

// Without a hand-off all notifiers are called, those that were called already not
// again.
func TestNotifiersWithoutHandOff(t *testing.T) {
	h := guardedHost(t, false)
	c := testConfig(h)
	c.Notifiers = threeNotifiers()
	armed := arm(t, c)
	h.ram[armed.block.Range(handoff.PartImage).Start-h.start] ^= 1
	require.Zero(t, h.run(testContext()))
	require.Equal(t, []string{"first", "second", "third"}, called)
	for _, n := range h.panicArea(t, &armed.block).Notifiers {
		require.Equal(t, handoff.OutcomeDone, n.Outcome, n.Name)
	}
}

func TestNoticeHasThePanic(t *testing.T) {
	h := guardedHost(t, true)
	var reason handoff.Reason
	var item uint32
	c := testConfig(h)
	c.Notifiers = threeNotifiers()
	c.Notifiers[2].Item = 7
	arm(t, c)
	inspect = func(n *handoff.Notice) { reason, item = n.Context.Reason, n.Item }
	h.run(testContext())
	require.Equal(t, handoff.ReasonUserFault, reason)
	require.Equal(t, uint32(7), item)
}

func TestArmRefusesNotifiers(t *testing.T) {
	good := Notifier{Name: "good", Run: first}
	for name, change := range map[string]func(*Config){
		"no name":       func(c *Config) { c.Notifiers = []Notifier{{Run: first}} },
		"a long name":   func(c *Config) { c.Notifiers = []Notifier{{Name: "a name of 17 byte", Run: first}} },
		"two":           func(c *Config) { c.Notifiers = []Notifier{good, good} },
		"no function":   func(c *Config) { c.Notifiers = []Notifier{{Name: "none"}} },
		"no such list":  func(c *Config) { c.Notifiers = []Notifier{{Name: "x", Run: first, List: 4}} },
		"a budget":      func(c *Config) { c.Notifiers = []Notifier{{Name: "x", Run: first, Budget: -1}} },
		"no such level": func(c *Config) { c.Level = 9 },
		"skip":          func(c *Config) { c.SkipNotifiers = []string{"nobody"} },
		"too many": func(c *Config) {
			for i := range handoff.MaxNotifiers + 1 {
				c.Notifiers = append(c.Notifiers, Notifier{Name: string(rune('A' + i)), Run: first})
			}
		},
		"watchdog": func(c *Config) { c.Watchdog.Write = WatchdogWrite{Bus: handoff.BusPort, Width: 3} },
	} {
		h := guardedHost(t, true)
		c := testConfig(h)
		change(&c)
		_, err := Arm(c)
		require.ErrorIs(t, err, ErrConfig, name)
		require.Empty(t, h.reserved, name)
	}
}

// The record is there, with the class of its panic; its count of panics in a row
// stops the hand-off.
func TestRecordsOfPanics(t *testing.T) {
	h := guardedHost(t, true)
	c := testConfig(h)
	c.LoopLimit = 1
	armed := arm(t, c)
	require.NotZero(t, h.run(testContext()))
	contents, err := armed.Records().Contents()
	require.NoError(t, err)
	var found *record.Record
	for _, s := range contents.Records {
		r, err := record.Decode(s.Data)
		require.NoError(t, err)
		if r.Class != record.ClassLoss {
			found = r
		}
	}
	require.NotNil(t, found)
	require.Equal(t, record.ClassPage, found.Class)
	require.Equal(t, "nil dereference", found.Message)
	require.Equal(t, uint32(2), found.NotStopped)
	require.Equal(t, "registers of cpu", string(found.Registers))
	require.Equal(t, uint32(1), armed.Records().Panics())

	again, err := armed.Rearm(c)
	require.NoError(t, err)
	require.Equal(t, uint32(1), again.Records().Panics(), "the row goes on")
	again.Healthy()
	require.Zero(t, again.Records().Panics())
}

// When the other CPUs are stopped, which may fail, the minimal record is there.
func TestMinimalRecordComesFirst(t *testing.T) {
	h := guardedHost(t, true)
	armed := arm(t, testConfig(h))
	var minimal []bool
	var registers int
	atStop = func() {
		contents, err := armed.Records().Contents()
		require.NoError(t, err)
		for _, s := range contents.Records {
			if s.Source == hostSource {
				minimal = append(minimal, s.Minimal)
			}
		}
		registers = len(h.panicArea(t, &armed.block).Registers)
	}
	h.run(testContext())
	require.Equal(t, []bool{true}, minimal)
	require.Equal(t, 1, registers, "the own ones")
}

// slowTicks are listBudget at 100 MHz.
const slowTicks = uint64(listBudget/time.Microsecond) * 100

// slow takes longer than the notifiers of a list may together.
func slow(*handoff.Notice) {
	called = append(called, "slow")
	for start := counter(); counter()-start < slowTicks; {
	}
}

// When the budget of a list is used up the rest of it is skipped; the next list
// has its own.
func TestListHasABudget(t *testing.T) {
	h := guardedHost(t, true)
	h.facts.Clock.Kilohertz = 100_000
	c := testConfig(h)
	c.Level = LevelInformational
	c.Notifiers = []Notifier{
		{Name: "slow", List: handoff.ListHypervisor, Run: slow}, {Name: "first", List: handoff.ListHypervisor, Run: first},
		{Name: "second", List: handoff.ListInformational, Run: second},
	}
	armed := arm(t, c)
	require.NotZero(t, h.run(testContext()))
	require.Equal(t, []string{"slow", "second"}, called)
	require.Equal(t, handoff.OutcomeSkipped, h.panicArea(t, &armed.block).Notifiers[1].Outcome)
}

func patHere() { called = append(called, "pat") }

// Every step and every notifier is followed by a pat, and the longest time
// without one is kept: here that from the panic, long ago, to the first.
func TestLongestGapBetweenPats(t *testing.T) {
	h := guardedHost(t, true)
	c := testConfig(h)
	c.Level, c.Watchdog.Pat = LevelHypervisor, patHere
	c.Notifiers = threeNotifiers()[2:]
	armed := arm(t, c)
	context := testContext()
	context.Entered = counter() - 1<<40
	require.NotZero(t, h.run(context))
	require.Equal(t, []string{"pat", "pat", "pat", "first", "pat", "pat"}, called)
	orders := h.panicArea(t, &armed.block).Orders
	require.GreaterOrEqual(t, orders.LongestGap, uint64(1)<<40)
	require.NotZero(t, orders.LastPat)
}

func TestSettingsForTheRescueProgram(t *testing.T) {
	h := guardedHost(t, true)
	c := testConfig(h)
	c.Quiesce = []uint64{0x1800, 0x1_0000_0000}
	c.Watchdog.Write = WatchdogWrite{Bus: handoff.BusMMIO, Address: 0xfed0_0000, Width: 4, Value: 1}
	c.Patience = time.Second
	armed := arm(t, c)
	r := armed.block.Range(handoff.PartEnvironment)
	e, err := handoff.ParseEnvironment(h.ram[r.Start-h.start : r.End-h.start])
	require.NoError(t, err)
	for name, want := range map[string]string{"quiesce": "0x1800,0x100000000", "watchdog": "memory,0xfed00000,4,0x1"} {
		value, _ := e.Lookup(name)
		require.Equal(t, want, value)
	}
	h.run(testContext())
	require.Equal(t, uint32(1_000_000_000), stopping)
}
