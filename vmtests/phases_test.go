package vmtests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
)

// phaseTest is a panic whose phases are looked at.
type phaseTest struct {
	name    string
	kind    string
	command string
	cpus    int
	reason  handoff.Reason
	facts   map[string]string // of the witness
	log     []string          // of the host's message buffer
	simple  bool              // the machine has no local APIC
	amd64   bool              // not on arm64
	watched bool              // it runs where every write is seen, even without -full
}

var phaseTests = []phaseTest{
	{name: "three CPUs stop", kind: "call", command: "cpus=4 patience=10s", cpus: 4, reason: handoff.ReasonCall, facts: map[string]string{
		"not_stopped": "0", "cpus": "[0 1 2 3]", "notifier_hello": "done", "notifier_goodbye": "not called",
	}, log: []string{"host: this goes into the dump", "panic: explicit call on CPU 0: the operator asked for it", "panic: calls: 0x50", "panic: CPU 0 ", "panic: CPU 2 "}},
	{name: "CPU 2 of 3", kind: "cpu2", command: "cpus=3 patience=10s", cpus: 3, watched: true, reason: handoff.ReasonUserFault, facts: map[string]string{
		"not_stopped": "0", "cpus": "[2 0 1]",
	}},
	{name: "notifiers are cut off", kind: "call", command: "notify=fault,panic,allocate,deep,table,hang", cpus: 1, watched: true, reason: handoff.ReasonCall, facts: map[string]string{
		"nested": "0", "notifier_fault": "faulted", "notifier_panic": "faulted", "notifier_allocate": "faulted",
		"notifier_deep": "faulted", "notifier_table": "done", "notifier_hang": "timed out", "notifier_pvpanic": "done",
	}, log: []string{"host: notifier 0x0 says two"}},
	{name: "all information", kind: "nil", command: "information=all", cpus: 1, watched: true, reason: handoff.ReasonExit, facts: map[string]string{
		"notifier_goroutine": "done", "notifier_goroutines": "done", "notifier_memory": "done", "notifier_timers": "done", "notifier_records": "done",
	}, log: []string{"panic: exit on CPU 0: the program ended with exit code 2", "panic: goroutine 1 waiting: 0x50", "panic: memory in KiB: of programs ", "panic: thread 1 running", "panic: record 2, panics in a row 1"}},
	{name: "no timer", kind: "call", command: "notify=fault,hang", cpus: 1, simple: true, amd64: true, reason: handoff.ReasonCall, facts: map[string]string{
		"notifier_fault": "skipped", "notifier_hang": "skipped", "notifier_pvpanic": "done", "notifier_registers": "done",
	}},
	{name: "a CPU that ignores the NMI", kind: "call", command: "cpus=3 dead=1 patience=2s", cpus: 3, amd64: true, reason: handoff.ReasonCall, facts: map[string]string{
		"not_stopped": "1", "cpus": "[0 2]",
	}},
}

func TestPhases(t *testing.T) {
	for _, r := range runners {
		for _, test := range phaseTests {
			if usual := witnesses(); !*full && (test.watched && r.name != usual.name || !test.watched && r.name != dumps().name) {
				continue
			}
			t.Run(r.name+"/"+test.name, func(t *testing.T) {
				if r.name == onQEMU.name && (test.simple || test.amd64) {
					t.Skip("its board has a local APIC in any case, and its CPUs take NMIs when they wait for SIPI")
				}
				config := machine.Config{CPUs: test.cpus, InterruptController: !test.simple}
				h := freezeAt(t, r, config, test.kind, test.command, witnessProgram)
				said := h.requireTrue(h.finish(), test.reason, "")
				requireFacts(t, said, test.facts)
				log := h.log()
				for _, line := range test.log {
					require.Contains(t, log, line)
				}
			})
		}
	}
}

func requireFacts(t *testing.T, said testimony, want map[string]string) {
	t.Helper()
	for name, value := range want {
		require.Equal(t, value, said.facts[name], "%s: %v", name, said.facts)
	}
}

// log is the host's message buffer at the freeze point, without what was never
// written.
func (h *handOff) log() string {
	h.t.Helper()
	r := h.opened()
	data := make([]byte, r.Block.MessageBuffer.Length)
	for at, e := range r.Block.MessageBuffer.Extents {
		require.Zero(h.t, at, "one piece")
		_, err := h.before.Memory.ReadPhysical(data, e.Start)
		require.NoError(h.t, err)
	}
	return strings.ReplaceAll(string(data), "\x00", "")
}

// The check is checked: a notifier that writes to the host's memory is caught.
func TestScribblingNotifierIsCaught(t *testing.T) {
	h := freezeAt(t, onEmulator, machine.Config{InterruptController: true}, "call", "notify=scribble", witnessProgram)
	breaches, _ := h.evidence.Breaches()
	var writes int
	for _, b := range breaches {
		if !b.OnStack() && !b.Unaware {
			writes++
		}
	}
	require.Equal(t, 1, writes, "%v", breaches)
}

// hostFile is a file with the host's image, which has its symbols.
func hostFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "host")
	require.NoError(t, os.WriteFile(path, hostProgram.image(t), 0o600))
	return path
}

// A dump has the registers of every CPU that stopped, and dumper shows them, and
// their calls.
func TestDumpHasAllCPUs(t *testing.T) {
	disk := labelledDisk(t, 32<<20)
	config := machine.Config{CPUs: 3, InterruptController: true, Disks: []machine.Disk{{Name: "disk0", Size: disk.Size(), Storage: disk}}}
	h := start(t, dumps(), config, "panic=call cpus=3 patience=10s ", rescueProgram)
	exit := h.finish()
	require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
	path := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(path, disk.content, 0o600))
	registers := output(t, exec.Command(dumper(t), "regs", path))
	for _, cpu := range []string{"cpu0", "cpu1", "cpu2"} {
		require.Contains(t, strings.ToLower(registers), cpu, "%s", registers)
	}
	calls := output(t, exec.Command(dumper(t), "bt", "--kernel", hostFile(t), path, "cpu2"))
	require.Contains(t, calls, "main.other2", "what the host's third CPU did")
}
