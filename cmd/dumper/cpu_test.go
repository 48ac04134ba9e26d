package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/minidump"
)

// hostCPUs are the CPUs of the test host: CPU 1 has panicked in main.crash,
// CPU 0 was at main.crash's first instruction.
func hostCPUs() []minidump.CPUNote {
	state := func(s amd64.CPUState) []byte {
		s.Valid = amd64.StateGeneral
		b, err := s.AppendBinary(nil)
		if err != nil {
			panic(err) // no state fails
		}
		return b
	}
	return []minidump.CPUNote{
		{Number: 0, Architecture: minidump.AMD64, Time: 7, State: state(amd64.CPUState{RIP: hostCode + 0x10, RSP: hostStack + 8, RBP: hostStack + 0x20})},
		{Number: 1, Architecture: minidump.AMD64, Time: 8, Flags: minidump.CPUPanicked,
			State: state(amd64.CPUState{RIP: hostCode + 0x14, RSP: hostStack - 0x40, RBP: hostStack, RAX: hostCode})},
	}
}

func TestRegs(t *testing.T) {
	t.Parallel()
	dump, kernel := hostDump(t)
	var f cpusFact
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "regs", "--json", dump)), &f))
	require.Len(t, f.CPUs, 2)
	require.Equal(t, uint32(1), f.CPUs[0].Number)
	require.True(t, f.CPUs[0].Panicked)
	require.Nil(t, f.CPUs[0].TID)
	require.Equal(t, hexadecimal(hostCode+0x14), f.CPUs[0].Registers["rip"])
	require.NotContains(t, f.CPUs[0].Registers, "cr3")

	out := requireDone(t, "regs", "--kernel", kernel, dump)
	require.Contains(t, out, "cpu1 (panicked)\n  rip      0xfffffe0000001014 main.crash+0x4\n")
	require.Contains(t, out, "\n  rax      0xfffffe0000001000 main.main\n")
	require.Contains(t, requireDone(t, "regs", dump), "\n\ncpu0\n  rip      0xfffffe0000001010  rsp ")

	empty, _ := hostDump(t, func(s *minidump.Source) { s.Notes.CPUs = nil })
	requireFails(t, exitNotThere, "needs --kernel", "regs", empty)
	requireFails(t, exitUsage, "FreeBSD", "regs", "--kernel", kernel, empty)
}

func TestBacktrace(t *testing.T) {
	t.Parallel()
	dump, kernel := hostDump(t)
	const crashed = `cpu1 (panicked)
  0  0xfffffe0000001014  main.crash+0x4
  1  0xfffffe0000001009  main.main+0x9
     return address at 0xfffffe0000008028: end of the stack
`
	require.Equal(t, crashed, requireDone(t, "bt", "--kernel", kernel, dump))
	require.Equal(t, crashed, requireDone(t, "bt", "--kernel", kernel, dump, "1"))
	require.Equal(t, crashed, requireDone(t, "bt", "--kernel", kernel, dump, "cpu1"))
	require.Equal(t, `cpu0
  0  0xfffffe0000001010  main.crash+0x0
  1  0xfffffe0000001009  main.main+0x9
     return address at 0xfffffe0000008028: end of the stack
`, requireDone(t, "bt", "--kernel", kernel, dump, "cpu0"))
	require.Contains(t, requireDone(t, "bt", dump), "\n  1  0xfffffe0000001009\n")
	requireFails(t, exitUsage, "no CPU 5", "bt", dump, "5")
	requireFails(t, exitUsage, "neither", "bt", dump, "main")
	requireFails(t, exitUsage, "needs --kernel", "threads", dump)
	requireFails(t, exitUsage, "not the symbols of a FreeBSD kernel", "threads", "--kernel", kernel, dump)
}
