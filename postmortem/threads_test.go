package postmortem_test

import (
	"debug/elf"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/postmortem"
)

// Offsets in the test kernel's structures. No release has these.
const (
	offProcessNext    = 8
	offProcessID      = 24
	offProcessName    = 32
	offProcessThreads = 64
	offThreadNext     = 16
	offThreadID       = 40
	offThreadName     = 48
	offThreadCPU      = 72
	offThreadPCB      = 80
	sizePCB           = 320
)

// bsd is a FreeBSD kernel in the making.
type bsd struct {
	memory memory
	kernel *postmortem.Kernel
	at     map[string]uint64 // variables
}

var bsdVariables = map[string]int32{
	"proc_off_p_list": offProcessNext, "proc_off_p_pid": offProcessID, "proc_off_p_comm": offProcessName,
	"proc_off_p_threads": offProcessThreads, "thread_off_td_plist": offThreadNext, "thread_off_td_tid": offThreadID,
	"thread_off_td_name": offThreadName, "thread_off_td_oncpu": offThreadCPU, "thread_off_td_pcb": offThreadPCB,
	"pcb_size": sizePCB, "dumptid": 100002,
}

func newBSD(t *testing.T, architecture minidump.Architecture, extra ...variable) *bsd {
	t.Helper()
	machine := elf.EM_X86_64
	if architecture == minidump.ARM64 {
		machine = elf.EM_AARCH64
	}
	var variables []variable
	offset := uint64(0)
	for name := range bsdVariables {
		variables = append(variables, variable{name, offset, 4})
		offset += 8
	}
	variables = append(variables, variable{"allproc", 0x1000, 8}, variable{"dumppcb", 0x2000, sizePCB})
	if len(extra) == 0 {
		extra = []variable{{"stoppcbs", 0x3000, 4 * sizePCB}}
	}
	variables = append(variables, extra...)
	b := &bsd{memory: memory{}, at: map[string]uint64{}}
	for _, v := range variables {
		b.at[v.name] = dataBase + v.offset
	}
	for name, value := range bsdVariables {
		b.memory.half(b.at[name], value)
	}
	b.memory.word(b.at["allproc"], 0)
	b.kernel = &postmortem.Kernel{Memory: b.memory, Architecture: architecture, Symbols: table(t, machine, nil, variables)}
	return b
}

// process writes a process and its threads at an address, ahead of next.
func (b *bsd) process(address, next uint64, pid int32, name string, threads ...uint64) {
	b.memory.word(address+offProcessNext, next)
	b.memory.half(address+offProcessID, pid)
	b.memory.write(address+offProcessName, append([]byte(name), 0))
	b.memory.word(address+offProcessThreads, 0)
	at := address + offProcessThreads
	for _, thread := range threads {
		b.memory.word(at, thread)
		at = thread + offThreadNext
	}
	b.memory.word(at, 0)
}

func (b *bsd) thread(address uint64, tid int32, name string, cpu int32, pcb uint64) {
	b.memory.half(address+offThreadID, tid)
	b.memory.write(address+offThreadName, append([]byte(name), 0))
	b.memory.half(address+offThreadCPU, cpu)
	b.memory.word(address+offThreadPCB, pcb)
}

// pcb writes a pcb whose words count from first.
func (b *bsd) pcb(address, first uint64) {
	for i := range uint64(sizePCB / 8) {
		b.memory.word(address+8*i, first+i)
	}
}

// twoProcesses writes three threads: one that waits, the crashed one, and one
// that was on CPU 3.
func (b *bsd) twoProcesses() {
	b.memory.word(b.at["allproc"], heapBase)
	b.process(heapBase, heapBase+0x1000, 0, "kernel", heapBase+0x100, heapBase+0x200)
	b.process(heapBase+0x1000, 0, 800, "sysctl", heapBase+0x1100)
	b.thread(heapBase+0x100, 100000, "swapper", postmortem.NoCPU, heapBase+0x5000)
	b.thread(heapBase+0x200, 100001, "idle: cpu3", 3, 0)
	b.thread(heapBase+0x1100, 100002, "sysctl", 1, 0)
	b.pcb(heapBase+0x5000, 0x1000)
	b.pcb(b.at["dumppcb"], 0x2000)
}

func TestThreads(t *testing.T) {
	t.Parallel()
	b := newBSD(t, minidump.AMD64)
	b.twoProcesses()
	b.pcb(b.at["stoppcbs"]+3*sizePCB, 0x3000)
	list, err := b.kernel.Threads()
	require.NoError(t, err)
	require.Empty(t, list.Problems)
	var got []string
	for _, thread := range list.Threads {
		require.NoError(t, thread.Err)
		rip, ok := thread.Registers.PC()
		require.True(t, ok)
		got = append(got, fmt.Sprintf("%d %d %s cpu %d %v rip %#x", thread.PID, thread.ID, thread.Title(), thread.CPU, thread.Crashed, rip))
	}
	require.Equal(t, []string{
		"800 100002 sysctl cpu 1 true rip 0x2007",
		"0 100000 kernel/swapper cpu -1 false rip 0x1007",
		"0 100001 kernel/idle: cpu3 cpu 3 false rip 0x3007",
	}, got)
	for i, name := range []string{"r15", "r14", "r13", "r12", "rbp", "rsp", "rbx", "rip"} {
		value, ok := list.Threads[0].Registers.Get(name)
		require.True(t, ok)
		require.Equal(t, 0x2000+uint64(i), value, name)
	}
	_, ok := list.Threads[0].Registers.Get("rax")
	require.False(t, ok)
}

// FreeBSD 13 and before keep 31 registers of a thread on arm64, later ones 13.
func TestThreadsARM64(t *testing.T) {
	t.Parallel()
	osreldate := variable{"osreldate", 0x8000, 4}
	stoppcbs := variable{"stoppcbs", 0x3000, 4 * sizePCB}
	tests := []struct {
		name      string
		extra     []variable
		osreldate int32
		pcbSize   int32
		long      bool
	}{
		{name: "13", extra: []variable{stoppcbs, osreldate}, osreldate: 1302001, pcbSize: 320, long: true},
		{name: "14", extra: []variable{stoppcbs, osreldate}, osreldate: 1400097, pcbSize: 4096},
		{name: "long by size", extra: []variable{stoppcbs}, pcbSize: 1376, long: true},
		{name: "short by size", extra: []variable{stoppcbs}, pcbSize: 1248},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBSD(t, minidump.ARM64, test.extra...)
			b.twoProcesses()
			b.memory.half(b.at["pcb_size"], test.pcbSize)
			if test.osreldate != 0 {
				b.memory.half(b.at["osreldate"], test.osreldate)
			}
			list, err := b.kernel.Threads()
			require.NoError(t, err)
			r := list.Threads[0].Registers
			want := map[string]uint64{"x19": 0x2000, "x29": 0x200a, "pc": 0x200b, "x30": 0x200b, "sp": 0x200c}
			if test.long {
				want = map[string]uint64{"x0": 0x2000, "x19": 0x2013, "x29": 0x201d, "pc": 0x201e, "sp": 0x2020}
			}
			for name, value := range want {
				got, ok := r.Get(name)
				require.True(t, ok, name)
				require.Equal(t, value, got, name)
			}
			_, ok := r.Get("x0")
			require.Equal(t, test.long, ok)
		})
	}
}

// In newer kernels stoppcbs is a pointer.
func TestStoppedCPUs(t *testing.T) {
	t.Parallel()
	b := newBSD(t, minidump.AMD64, variable{"stoppcbs", 0x3000, 8})
	b.twoProcesses()
	b.memory.word(b.at["stoppcbs"], heapBase+0x8000)
	b.pcb(heapBase+0x8000+3*sizePCB, 0x4000)
	list, err := b.kernel.Threads()
	require.NoError(t, err)
	rip, _ := list.Threads[2].Registers.PC()
	require.Equal(t, uint64(0x4007), rip)

	b = newBSD(t, minidump.AMD64) // an array for 4 CPUs
	b.twoProcesses()
	b.thread(heapBase+0x200, 100001, "lost", 4, 0)
	list, err = b.kernel.Threads()
	require.NoError(t, err)
	require.ErrorIs(t, list.Threads[2].Err, postmortem.ErrDamaged)
	require.Empty(t, list.Threads[2].Registers.List)
	require.Equal(t, "lost", list.Threads[2].Name)
}

// What cannot be read or makes no sense costs itself and nothing more.
func TestThreadsOfADamagedKernel(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		change   func(b *bsd)
		threads  int
		problems int
		err      error
	}{
		{"no list", func(b *bsd) { delete(b.memory, b.at["allproc"]/testPage) }, 0, 1, errNoPage},
		{"cycle of processes", func(b *bsd) { b.memory.word(heapBase+0x1000+offProcessNext, heapBase) }, 3, 1, postmortem.ErrDamaged},
		{"cycle of threads", func(b *bsd) { b.memory.word(heapBase+0x200+offThreadNext, heapBase+0x100) }, 3, 1, postmortem.ErrDamaged},
		{"process that is a thread", func(b *bsd) { b.memory.word(heapBase+offProcessNext, heapBase+0x200) }, 2, 1, postmortem.ErrDamaged},
		{"odd pointer", func(b *bsd) { b.memory.word(heapBase+offProcessNext, heapBase+0x1001) }, 2, 1, postmortem.ErrDamaged},
		{"lost process", func(b *bsd) { b.memory.word(heapBase+offProcessNext, 0xdead0000) }, 2, 4, errNoPage},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBSD(t, minidump.AMD64)
			b.twoProcesses()
			test.change(b)
			list, err := b.kernel.Threads()
			require.NoError(t, err)
			require.Len(t, list.Threads, test.threads)
			require.Len(t, list.Problems, test.problems)
			require.ErrorIs(t, list.Problems[0], test.err)
		})
	}
}

func TestThreadsWithTheWrongKernel(t *testing.T) {
	t.Parallel()
	b := newBSD(t, minidump.AMD64)
	b.memory.half(b.at["thread_off_td_tid"], -5)
	_, err := b.kernel.Threads()
	require.ErrorIs(t, err, postmortem.ErrDamaged)

	b = newBSD(t, minidump.AMD64)
	delete(b.memory, b.at["dumptid"]/testPage)
	_, err = b.kernel.Threads()
	require.ErrorIs(t, err, errNoPage)

	b.kernel.Symbols = table(t, elf.EM_X86_64, []function{{"main.main", 0, 16}}, nil)
	_, err = b.kernel.Threads()
	require.ErrorIs(t, err, postmortem.ErrNotFreeBSD)
	require.ErrorContains(t, err, "allproc")

	b.kernel.Architecture = minidump.RISCV
	_, err = b.kernel.Threads()
	require.ErrorIs(t, err, postmortem.ErrUnsupported)
}

// Names of threads come from the crashed machine: they must not reach a
// terminal as they are.
func TestThreadNamesAreHarmless(t *testing.T) {
	t.Parallel()
	b := newBSD(t, minidump.AMD64)
	b.twoProcesses()
	b.thread(heapBase+0x1100, 100002, "\x1b[31mred\xff\nand much too long a name", 1, 0)
	list, err := b.kernel.Threads()
	require.NoError(t, err)
	require.Equal(t, "?[31mred??and much t", list.Threads[0].Name)
}

// Whatever the heap holds, the walk ends, and lists no structure twice.
func FuzzThreads(f *testing.F) {
	f.Add([]byte{0}, uint64(0), uint16(8))
	f.Add([]byte("0123456789abcdef"), uint64(0x100), uint16(16))
	f.Fuzz(func(t *testing.T, noise []byte, at uint64, offset uint16) {
		for _, architecture := range architectures {
			b := newBSD(t, architecture)
			b.twoProcesses()
			b.memory.half(b.at["thread_off_td_plist"], int32(offset))
			b.memory.write(heapBase+at%0x2000, noise[:min(len(noise), 0x2000)])
			list, err := b.kernel.Threads()
			if err != nil {
				continue
			}
			seen := map[uint64]bool{}
			for _, thread := range list.Threads {
				require.False(t, seen[thread.Address])
				seen[thread.Address] = true
			}
			_, _ = list.CPUs()
		}
	})
}

func TestThreadCPUs(t *testing.T) {
	t.Parallel()
	b := newBSD(t, minidump.AMD64)
	b.twoProcesses()
	b.pcb(b.at["stoppcbs"]+3*sizePCB, 0x3000)
	list, err := b.kernel.Threads()
	require.NoError(t, err)
	cpus, err := list.CPUs()
	require.NoError(t, err)
	require.Len(t, cpus, 2)
	require.Equal(t, "cpu1 sysctl (panicked)", cpus[0].Title())
	require.Equal(t, "cpu3 kernel/idle: cpu3", cpus[1].Title())
	_, err = (&postmortem.ThreadList{}).CPUs()
	require.ErrorIs(t, err, postmortem.ErrNoCPUs)
	_, err = postmortem.CPUs(nil)
	require.ErrorIs(t, err, postmortem.ErrNoCPUs)
}
