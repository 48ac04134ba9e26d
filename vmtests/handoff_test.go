package vmtests

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// runner makes one kind of machine.
type runner struct {
	name    string
	create  func(machine.Config) (machine.Machine, error)
	timeout time.Duration

	architecture machine.Architecture
}

// stops reports whether what a guest writes can stop the machine at that very
// instruction.
func (r runner) stops() bool { return r.emulated() || r.name == onKVM.name }

// emulated reports whether the machine is the emulated one, of whatever
// architecture.
func (r runner) emulated() bool { return strings.HasPrefix(r.name, onEmulator.name) }

// console collects what guests write, line by line.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
	stop string // where not empty, the machine stops when it has written this
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.text.Write(p)
	if c.stop != "" && bytes.Contains(c.text.Bytes(), []byte(c.stop)) {
		c.stop = ""
		return n, &machine.StopError{Exit: machine.Exit{Reason: machine.Canceled}}
	}
	return n, err
}

// stopAt has the machine stop at a text; "" ends that.
func (c *console) stopAt(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop = text
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.ReplaceAll(c.text.String(), "\r\n", "\n")
}

// handOff is one hand-off under observation.
type handOff struct {
	t       testing.TB
	runner  runner
	machine machine.Machine
	console *console
	freeze  uint64
	block   physmem.Address
	before  *machine.Snapshot // at the freeze point

	evidence *emulated.Evidence // what was written since the panic, where that can be seen
}

// start boots the host with the rescue program as its module.
func start(t testing.TB, r runner, config machine.Config, command string, rescue *program) *handOff {
	t.Helper()
	return startOn(t, r, config, command, rescue, func(c *console) io.Writer { return c })
}

// startOn is start with something between the guest and its console.
func startOn(t testing.TB, r runner, config machine.Config, command string, rescue *program, serial func(*console) io.Writer) *handOff {
	t.Helper()
	h := &handOff{t: t, runner: r, console: &console{}}
	if config.Boot.Image == nil {
		config.Boot.Image = hostImage(t, r.architecture)
	}
	config.Boot.CommandLine, config.Boot.Modules = command, []machine.Module{{Data: rescue.imageFor(t, r.architecture)}}
	config.Serial = serial(h.console)
	m, err := r.create(config)
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skipf("machine %s: %v", r.name, err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	h.machine = m
	return h
}

// context bounds a run: a guest that hangs fails its test.
func (h *handOff) context() context.Context {
	ctx, cancel := context.WithTimeout(h.t.Context(), h.runner.timeout)
	h.t.Cleanup(cancel)
	return ctx
}

// finish runs the machine until it ends.
func (h *handOff) finish() machine.Exit {
	h.t.Helper()
	exit, err := h.machine.Run(h.context())
	require.NoError(h.t, err, "%s", h.console)
	return exit
}

var armedLine = regexp.MustCompile(`host: armed \[(0x[0-9a-f]+), (0x[0-9a-f]+)\), freeze point (0x[0-9a-f]+)`)

// freezePoints are where hosts freeze, by what decides it: planning is
// deterministic, so a host that arms and does not panic tells.
var freezePoints sync.Map

// learn finds out where a host of this configuration will freeze.
func learn(t testing.TB, r runner, config machine.Config, command string, rescue *program) (freeze uint64, block physmem.Address) {
	t.Helper()
	type place struct {
		freeze uint64
		block  physmem.Address
	}
	key := fmt.Sprint(r.name, config.MemorySize, config.RAM, config.CPUs, len(config.Boot.Image), command, rescue.folder)
	if known, ok := freezePoints.Load(key); ok {
		return known.(place).freeze, known.(place).block
	}
	h := start(t, r, config, "panic=none "+command, rescue)
	exit := h.finish()
	match := armedLine.FindStringSubmatch(h.console.String())
	require.NotNil(t, match, "the host did not arm: %v\n%s", exit, h.console)
	block, freeze = armedAt(t, match)
	freezePoints.Store(key, place{freeze, block})
	return freeze, block
}

// freezeAt boots a host, lets it panic, and stops it at the freeze point.
func freezeAt(t testing.TB, r runner, config machine.Config, kind, command string, rescue *program) *handOff {
	t.Helper()
	if r.stops() {
		h := armedHost(t, r, config, kind, command, rescue)
		h.freezeHere()
		return h
	}
	freeze, block := learn(t, r, config, command, rescue)
	h := start(t, r, config, "panic="+kind+" "+command, rescue)
	h.freeze, h.block = freeze, block
	h.freezeHere()
	return h
}

// panicText is what the host says just before it panics.
const panicText = "host: panic of kind"

// armedHost boots a host and stops it when it is armed, just before it panics.
func armedHost(t testing.TB, r runner, config machine.Config, kind, command string, rescue *program) *handOff {
	t.Helper()
	h := start(t, r, config, "panic="+kind+" "+command, rescue)
	h.console.stopAt(panicText)
	exit := h.finish()
	match := armedLine.FindStringSubmatch(h.console.String())
	require.NotNil(t, match, "the host did not arm: %v\n%s", exit, h.console)
	require.Equal(t, machine.Canceled, exit.Reason, "%v\n%s", exit, h.console)
	h.block, h.freeze = armedAt(t, match)
	return h
}

// armedAt reads a match of armedLine.
func armedAt(t testing.TB, match []string) (block physmem.Address, freeze uint64) {
	t.Helper()
	base, err := strconv.ParseUint(match[1], 0, 64)
	require.NoError(t, err)
	freeze, err = strconv.ParseUint(match[3], 0, 64)
	require.NoError(t, err)
	return physmem.Address(base), freeze
}

// freezeHere runs the machine to the freeze point and copies it.
func (h *handOff) freezeHere() {
	h.t.Helper()
	h.guard()
	exit, err := h.machine.RunTo(h.context(), h.freeze)
	require.NoError(h.t, err, "%s", h.console)
	require.Equal(h.t, machine.Breakpoint, exit.Reason, "%v\n%s", exit, h.console)
	require.Equal(h.t, h.freeze, exit.PC)
	h.before, err = h.machine.Snapshot()
	require.NoError(h.t, err)
}

// runFor lets the machine run for a while.
func (h *handOff) runFor(duration time.Duration) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), duration)
	defer cancel()
	exit, err := h.machine.Run(ctx)
	require.NoError(h.t, err)
	require.Equal(h.t, machine.TimedOut, exit.Reason, "%v\n%s", exit, h.console)
}

// opened is the reservation as it was at the freeze point. The first stage of
// its seals held, or there would have been no hand-off.
func (h *handOff) opened() *reserve.Reservation {
	h.t.Helper()
	r, err := reserve.Open(h.before.Memory, h.block, reserve.StageFirst)
	require.NoError(h.t, err)
	return r
}

// reservation is the reservation's range as its block says it.
func (h *handOff) reservation() physmem.Range {
	h.t.Helper()
	return h.opened().Block.Reservation
}

// testimony is what the witness said.
type testimony struct {
	facts   map[string]string
	digests map[physmem.Range]string
}

// hear reads the witness's lines.
func (h *handOff) hear() testimony {
	h.t.Helper()
	said := testimony{facts: map[string]string{}, digests: map[physmem.Range]string{}}
	for line := range strings.Lines(h.console.String()) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "witness: ")
		if !ok {
			continue
		}
		name, value, _ := strings.Cut(text, " ")
		if name != "digest" {
			said.facts[name] = value
			continue
		}
		var from, to uint64
		var sum string
		_, err := fmt.Sscanf(value, "0x%x 0x%x %s", &from, &to, &sum)
		require.NoError(h.t, err, line)
		said.digests[physmem.Range{Start: physmem.Address(from), End: physmem.Address(to)}] = sum
	}
	return said
}

// castagnoli is what the witness makes its digests with: every CPU computes that
// fast, an emulated one too.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// wrongDigests compares what the witness saw with the memory at the freeze
// point, and reports what differs, and what it left out.
func (h *handOff) wrongDigests(said testimony) (wrong physmem.Ranges) {
	h.t.Helper()
	seen := physmem.Ranges{}
	for r, sum := range said.digests {
		data := make([]byte, r.Size())
		_, err := h.before.Memory.ReadPhysical(data, r.Start)
		require.NoError(h.t, err)
		if sum != fmt.Sprintf("%08x", crc32.Checksum(data, castagnoli)) {
			wrong = wrong.Union(physmem.NewRanges(r))
		}
		seen = seen.Union(physmem.NewRanges(r))
	}
	r := h.opened()
	return wrong.Union(physmem.NewRanges(r.Block.Memory...).Minus(seen))
}

// changed is the memory outside of the reservation that is not as it was at the
// freeze point.
func (h *handOff) changed() physmem.Ranges {
	h.t.Helper()
	after, err := h.machine.Snapshot()
	require.NoError(h.t, err)
	changed, err := h.before.Changes(after, physmem.NewRanges(h.reservation()), 16)
	require.NoError(h.t, err)
	return changed
}

// requireEnd requires that the rescue program ended well.
func (h *handOff) requireEnd(exit machine.Exit) testimony {
	h.t.Helper()
	require.Contains(h.t, []machine.Reason{machine.DebugExit, machine.PoweredOff}, exit.Reason, "%v\n%s", exit, h.console)
	require.Zero(h.t, exit.Code, "%s", h.console)
	said := h.hear()
	require.Contains(h.t, said.facts, "done", "%s", h.console)
	return said
}

// requireTrue requires all that must hold of a hand-off.
func (h *handOff) requireTrue(exit machine.Exit, reason handoff.Reason, message string) testimony {
	h.t.Helper()
	said := h.requireEnd(exit)
	require.Equal(h.t, reason.String(), said.facts["reason"], "%s", h.console)
	require.Contains(h.t, said.facts["message"], message)
	require.Equal(h.t, "0", said.facts["broken_seals"])
	require.NotContains(h.t, said.facts, "broken")
	require.Empty(h.t, h.wrongDigests(said), "what the rescue program saw is not what was there")
	require.Empty(h.t, h.changed(), "the host's memory was written after the freeze point")
	h.requireEvidence()
	h.requireLog(said)
	return said
}

// requireLog requires that the rescue program read the host's message buffer.
func (h *handOff) requireLog(said testimony) {
	h.t.Helper()
	r := h.opened()
	log := make([]byte, r.Block.MessageBuffer.Length)
	_, err := physmem.NewExtentReader(h.before.Memory, r.Block.MessageBuffer.Extents).ReadAt(log, 0)
	require.NoError(h.t, err)
	sum := sha256.Sum256(log)
	require.Equal(h.t, hex.EncodeToString(sum[:]), said.facts["log"])
	require.Contains(h.t, string(log), "host: panic of kind")
}
