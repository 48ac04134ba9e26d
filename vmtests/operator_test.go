package vmtests

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

var operatorProgram = newProgram("./testdata/operator")

// operate boots the operator with the witness and another edition of it as
// modules.
func operate(t *testing.T, on runner, command string) *handOff {
	t.Helper()
	first := witnessProgram.imageFor(t, on.architecture)
	second := bytes.ReplaceAll(first, []byte("edition one"), []byte("edition two"))
	require.NotEqual(t, first, second)
	modules, options, protocol := []machine.Module{{Data: first}, {Data: second}}, bootimage.Options{}, machine.PVH
	if on.architecture == machine.ARM64 { // its loaders hand over one
		modules, options.Module, protocol = modules[1:], first, machine.Automatic
	}
	wrapped, err := bootimage.Wrap(bytes.NewReader(operatorProgram.imageFor(t, on.architecture)), options)
	require.NoError(t, err)
	h := &handOff{t: t, runner: on, console: &console{}}
	config := machine.Config{Boot: machine.Boot{Image: wrapped, Protocol: protocol, CommandLine: command, Modules: modules}}
	config.Serial = h.console
	m, err := h.runner.create(config)
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	h.machine = m
	return h
}

// freezeArmed runs the operator to the freeze point of its last arming: where
// that is, it says in a first run without the last step, which panics.
func freezeArmed(t *testing.T, on runner, steps, last, command string) *handOff {
	t.Helper()
	first := operate(t, on, "steps="+steps+" "+command)
	exit := first.finish()
	require.Contains(t, []machine.Reason{machine.DebugExit, machine.PoweredOff}, exit.Reason, "%v\n%s", exit, first.console)
	all := regexp.MustCompile(armedLine.String()).FindAllStringSubmatch(first.console.String(), -1)
	require.NotEmpty(t, all, "%s", first.console)
	arming := all[len(all)-1]
	h := operate(t, on, "steps="+steps+","+last+" "+command)
	for _, field := range []struct {
		text string
		to   *uint64
	}{{arming[1], (*uint64)(&h.block)}, {arming[3], &h.freeze}} {
		var err error
		*field.to, err = strconv.ParseUint(field.text, 0, 64)
		require.NoError(t, err)
	}
	h.freezeHere()
	return h
}

// Arming again at run time replaces the rescue program; one that fails, for
// whatever reason, leaves the one before in force, whole.
func TestRearm(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		for _, test := range []struct{ steps, edition, module string }{
			{"arm", `"edition one"`, "0"},
			{"arm,second", `"edition two"`, "1"},
			{"arm,bad,small,stray", `"edition one"`, "0"},
			{"arm,second,bad,small", `"edition two"`, "1"},
		} {
			if !r.takes(test.steps, "arm,second,bad,small") {
				continue
			}
			t.Run(test.steps, func(t *testing.T) {
				h := freezeArmed(t, r, test.steps, "panic", "")
				said := h.requireTrue(h.finish(), handoff.ReasonCall, "the operator panics")
				require.Equal(t, test.edition, strconv.Quote(said.facts["edition"]))
				require.Contains(t, said.facts["environment"], fmt.Sprintf("%q", handoff.Variable{Name: "module", Value: test.module}))
				text := h.console.String()
				require.Equal(t, strings.Count(text, "host: armed"), strings.Count(text, "operator: module free: true"), "the image's memory was not given back\n%s", text)
				if strings.Contains(test.steps, "small") {
					require.Contains(t, text, "bad refused: arm: ")
					require.Equal(t, strings.Contains(test.steps, "stray"), strings.Contains(text, "stray refused: arm: give the image's copy back: "))
					require.Contains(t, text, "small refused: arm: plan reservation ")
					require.Contains(t, text, "reservation of 4 MiB is too small: a host of ")
					require.Contains(t, text, " needs at least 8 MiB: image ")
				}
			})
		}
	})
}

// Once it is armed, the host cannot write to the reservation: a stray store is a
// fault, and a panic that is handed over.
func TestStrayWriteToTheReservation(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		h := freezeArmed(t, r, "arm", "scribble", "")
		said := h.requireTrue(h.finish(), handoff.ReasonExit, "exit code 2")
		require.Contains(t, h.console.String(), fmt.Sprintf("addr=%#x", handoff.DirectMapBase+uint64(h.block)))
		require.Empty(t, said.facts["broken"])
	})
}

// The build id in the hand-off block, and so in a dump, is the host image's.
func TestHandOffNamesTheHost(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		r.onlyFull(t)
		h := freezeArmed(t, r, "arm", "panic", "")
		file, err := elf.NewFile(bytes.NewReader(operatorProgram.imageFor(t, r.architecture)))
		require.NoError(t, err)
		note, err := file.Section(".note.gnu.build-id").Data()
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(note[16:]), h.opened().Block.Host.BuildID)
	})
}

// Without an arming a panic is what it is for any kernel: a message, a reset.
func TestPanicWithoutArming(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		for _, steps := range []string{"panic", "arm,disarm,panic"} {
			if !r.takes(steps, "arm,disarm,panic") {
				continue
			}
			t.Run(steps, func(t *testing.T) {
				h := operate(t, r, "steps="+steps)
				exit := h.finish()
				require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
				text := h.console.String()
				require.Contains(t, text, "kernel: panic: explicit call: the operator panics")
				require.NotContains(t, text, "witness:")
			})
		}
	})
}

// What the host's command line holds reaches the rescue program where it is
// allowed to, as it is, or arming is refused and says why.
func TestHostileEnvironments(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		long := strings.Repeat("x", handoff.MaxVariableValue+1)
		for name, test := range map[string]struct {
			command string
			refused string
			want    handoff.Environment
		}{
			"not allowed":  {"LD_PRELOAD=/x secret=1 moduleX=2 %s%n", "", handoff.Environment{{Name: "module", Value: "0"}}},
			"override":     {"debug.rescue.module=9 module=8", "", handoff.Environment{{Name: "module", Value: "9"}}},
			"bytes":        {"rescue.a=\xff\xfe\x7f\"=%d'", "", handoff.Environment{{Name: "module", Value: "0"}, {Name: "rescue.a", Value: "\xff\xfe\x7f\"=%d'"}}},
			"twice":        {"rescue.a=1 rescue.a=2 debug.rescue.b=1 debug.rescue.b=2", "", handoff.Environment{{Name: "b", Value: "1"}, {Name: "module", Value: "0"}, {Name: "rescue.a", Value: "1"}}},
			"no name":      {"debug.rescue.=1", "name of 0 bytes", nil},
			"quoted name":  {"rescue.\"=1", "byte 0x22 in the name", nil},
			"long value":   {"rescue.long=" + long, "value of 1025 bytes, at most 1024", nil},
			"long name":    {"rescue." + strings.Repeat("n", 122) + "=1", "name of 129 bytes", nil},
			"long, unseen": {"other=" + long, "", handoff.Environment{{Name: "module", Value: "0"}}},
		} {
			if !r.takes(name, "bytes") {
				continue
			}
			t.Run(name, func(t *testing.T) {
				h := operate(t, r, "steps=arm,panic "+test.command)
				exit, err := h.machine.Run(h.context())
				require.NoError(t, err)
				text := h.console.String()
				if test.refused != "" {
					require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, text)
					require.Contains(t, text, "operator: arm: arm: environment: ")
					require.Contains(t, text, test.refused)
					return
				}
				said := h.requireEnd(exit)
				require.Equal(t, fmt.Sprintf("%q", test.want), said.facts["environment"])
			})
		}
	})
}

// A host of 64 GiB, most of it never touched, with the reservation at its top.
func TestTopOfALargeHost(t *testing.T) {
	const top = 65 << 30
	config := machine.Config{RAM: physmem.Ranges{
		{Start: 0, End: 0x9f000}, {Start: 1 << 20, End: 3 << 30}, {Start: 4 << 30, End: top},
	}}
	// All of it would take minutes: both ends, and what nobody has touched.
	seen := physmem.NewRanges(
		physmem.Range{Start: 0, End: 48 << 20}, physmem.Range{Start: 3<<30 - 4<<20, End: 3 << 30},
		physmem.Range{Start: 32 << 30, End: 32<<30 + 4<<20}, physmem.Range{Start: top - 32<<20, End: top})
	var ranges []string
	for _, r := range seen {
		ranges = append(ranges, fmt.Sprintf("%#x-%#x", uint64(r.Start), uint64(r.End)))
	}
	h := freezeAt(t, dumps(), config, "nil", "debug.rescue.digest="+strings.Join(ranges, ","), witnessProgram)
	reservation := h.reservation()
	require.GreaterOrEqual(t, reservation.Start, physmem.Address(top-24<<20))
	said := h.requireEnd(h.finish())
	unseen := physmem.NewRanges(h.opened().Block.Memory...).Minus(seen)
	require.Empty(t, h.wrongDigests(said).Minus(unseen))
	require.NotEmpty(t, said.digests)
	require.Empty(t, h.changed())
	h.requireLog(said)
}
