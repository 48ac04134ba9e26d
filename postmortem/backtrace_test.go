package postmortem_test

import (
	"debug/elf"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/postmortem"
)

// functions of the test kernel that back-traces run through.
var functions = []function{
	{"panic", 0x000, 0x100}, {"trap", 0x100, 0x100}, {"calltrap", 0x200, 0x10}, {"nmi_calltrap", 0x210, 0x10},
	{"faulting", 0x300, 0x100}, {"caller", 0x400, 0x100}, {"fast_syscall_common", 0x500, 0x100},
	{"fork_trampoline", 0x600, 0x10}, {"handle_el1h_sync", 0x700, 0x100}, {"handle_el0_sync", 0x800, 0x100},
	{"Xapic_isr3", 0x900, 0x100}, {"last", 0xa00, 0x10}, {"after", 0xa10, 0x10},
}

const stack = uint64(0xfffffe0000010000)

// stackKernel is a kernel with an empty stack.
func stackKernel(t *testing.T, a minidump.Architecture) (*postmortem.Kernel, memory) {
	t.Helper()
	machine := elf.EM_X86_64
	if a == minidump.ARM64 {
		machine = elf.EM_AARCH64
	}
	m := memory{}
	m.word(stack, 0)
	return &postmortem.Kernel{Memory: m, Architecture: a, Symbols: table(t, machine, functions, nil)}, m
}

// call writes the record of a call: at fp the caller's fp, then the return
// address.
func (m memory) call(fp, callerFP, returns uint64) {
	m.word(fp, callerFP)
	m.word(fp+8, returns)
}

func registers(a minidump.Architecture, pc, sp, fp uint64) postmortem.Registers {
	names := []string{"rip", "rsp", "rbp"}
	if a == minidump.ARM64 {
		names = []string{"pc", "sp", "x29"}
	}
	r := postmortem.Registers{Architecture: a}
	for i, value := range []uint64{pc, sp, fp} {
		r.List = append(r.List, postmortem.Register{Name: names[i], Value: value})
	}
	return r
}

// requireFrames compares the functions of a back-trace.
func requireFrames(t *testing.T, b postmortem.Backtrace, want ...string) {
	t.Helper()
	var got []string
	for _, f := range b.Frames {
		name := fmt.Sprintf("%s+%#x", f.Function, f.Offset)
		if f.Exception != "" {
			name += " (" + f.Exception + ")"
		}
		got = append(got, name)
	}
	require.Equal(t, want, got)
	require.Error(t, b.Stop)
}

var architectures = []minidump.Architecture{minidump.AMD64, minidump.ARM64}

func TestBacktrace(t *testing.T) {
	t.Parallel()
	for _, a := range architectures {
		k, m := stackKernel(t, a)
		m.call(stack+0x10, stack+0x40, textBase+0x320)
		m.call(stack+0x40, stack+0x80, textBase+0xa10) // a call that is the last of its function
		m.call(stack+0x80, 0, textBase+0x410)
		b := k.Backtrace(registers(a, textBase+0x20, stack, stack+0x10))
		requireFrames(t, b, "panic+0x20", "faulting+0x20", "last+0x10", "caller+0x10")
		require.ErrorIs(t, b.Stop, postmortem.ErrEndOfStack)
		require.True(t, b.Frames[0].Exact)
		require.False(t, b.Frames[1].Exact)
		require.Equal(t, stack+0x40, b.Frames[1].FP)
	}
}

func TestBacktraceStops(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		write func(m memory)
		fp    uint64
		want  error
	}{
		{"no frame", func(memory) {}, 0, postmortem.ErrEndOfStack},
		{"return to zero", func(m memory) { m.call(stack+0x10, stack+0x20, 0) }, stack + 0x10, postmortem.ErrEndOfStack},
		{"odd frame", func(memory) {}, stack + 0x11, postmortem.ErrBadFramePointer},
		{"unreadable", func(memory) {}, 0x7fffffffe000, errNoPage},
		{"cycle", func(m memory) {
			m.call(stack+0x10, stack+0x20, textBase+0x320)
			m.call(stack+0x20, stack+0x10, textBase+0x320)
		}, stack + 0x10, postmortem.ErrFrameCycle},
		{"endless", func(m memory) {
			for fp := stack + 0x10; fp < stack+0x10000; fp += 16 {
				m.call(fp, fp+16, textBase+0x320)
			}
		}, stack + 0x10, postmortem.ErrTooManyFrames},
	}
	for _, test := range tests {
		for _, a := range architectures {
			t.Run(fmt.Sprintf("%s %v", test.name, a), func(t *testing.T) {
				t.Parallel()
				k, m := stackKernel(t, a)
				test.write(m)
				b := k.Backtrace(registers(a, textBase+0x20, stack, test.fp))
				require.ErrorIs(t, b.Stop, test.want)
				require.NotEmpty(t, b.Frames)
				require.LessOrEqual(t, len(b.Frames), postmortem.MaxFrames)
			})
		}
	}
	k, _ := stackKernel(t, minidump.AMD64)
	require.ErrorIs(t, k.Backtrace(postmortem.Registers{}).Stop, postmortem.ErrNoFramePointer)
	k.Architecture = minidump.I386
	require.ErrorIs(t, k.Backtrace(postmortem.Registers{}).Stop, postmortem.ErrUnsupported)
}

// The function that was interrupted is in the trap frame only.
func TestBacktraceThroughTrapFrameAMD64(t *testing.T) {
	t.Parallel()
	trap := func(entry uint64, cs uint64) postmortem.Backtrace {
		k, m := stackKernel(t, minidump.AMD64)
		m.call(stack+0x10, stack+0x40, textBase+0x110)  // panic returns to trap,
		m.call(stack+0x40, stack+0x200, textBase+entry) // trap to the entry code, with faulting's rbp
		frame := stack + 0x50
		m.word(frame+64, stack+0x200)                           // tf_rbp
		m.half(frame+120, 12)                                   // tf_trapno
		m.word(frame+128, 0xdead)                               // tf_addr
		m.word(frame+144, 2)                                    // tf_err
		m.word(frame+152, textBase+0x344)                       // tf_rip
		m.word(frame+160, cs)                                   // tf_cs
		m.call(stack+0x200, 0x00007fffffffe000, textBase+0x510) // faulting returns to the system call
		return k.Backtrace(registers(minidump.AMD64, textBase+0x20, stack, stack+0x10))
	}
	b := trap(0x208, 0x20)
	requireFrames(t, b, "panic+0x20", "trap+0x10", "calltrap+0x8",
		"faulting+0x44 (trap 12, address 0xdead, error 0x2)", "fast_syscall_common+0x10")
	require.ErrorIs(t, b.Stop, postmortem.ErrUserMode)
	require.True(t, b.Frames[3].Exact)

	requireFrames(t, trap(0x218, 0x20), "panic+0x20", "trap+0x10", "nmi_calltrap+0x8",
		"faulting+0x44 (nmi 12, address 0xdead, error 0x2)", "fast_syscall_common+0x10")
	requireFrames(t, trap(0x908, 0x20), "panic+0x20", "trap+0x10", "Xapic_isr3+0x8",
		"faulting+0x44 (interrupt)", "fast_syscall_common+0x10")

	b = trap(0x208, 0x43)
	requireFrames(t, b, "panic+0x20", "trap+0x10", "calltrap+0x8")
	require.ErrorIs(t, b.Stop, postmortem.ErrUserMode)
	require.ErrorContains(t, b.Stop, "trap 12")

	b = trap(0x608, 0x20)
	requireFrames(t, b, "panic+0x20", "trap+0x10", "fork_trampoline+0x8")
	require.ErrorIs(t, b.Stop, postmortem.ErrEndOfStack)
}

func TestBacktraceThroughTrapFrameARM64(t *testing.T) {
	t.Parallel()
	for _, layout := range []struct {
		name      string
		size, esr uint64
	}{{"short", 272, 28}, {"long", 288, 32}} {
		t.Run(layout.name, func(t *testing.T) {
			t.Parallel()
			k, m := stackKernel(t, minidump.ARM64)
			end := stack + 0x400
			frame := end - layout.size
			m.call(stack+0x10, end, textBase+0x720)     // the handler returns to the entry code
			m.word(frame, stack+0x500)                  // tf_sp
			m.word(frame+8, textBase+0x410)             // tf_lr
			m.word(frame+16, textBase+0x344)            // tf_elr
			m.half(frame+layout.esr, int32(0x16000004)) // tf_esr
			m.word(end-8, stack+0x500)                  // tf_x[29]
			m.call(stack+0x500, 0, textBase+0x410)
			b := k.Backtrace(registers(minidump.ARM64, textBase+0x20, stack, stack+0x10))
			requireFrames(t, b, "panic+0x20", "handle_el1h_sync+0x20",
				"faulting+0x44 (exception, esr 0x16000004)", "caller+0x10")
		})
	}
	k, m := stackKernel(t, minidump.ARM64)
	m.call(stack+0x10, stack+0x40, textBase+0x820)
	b := k.Backtrace(registers(minidump.ARM64, textBase+0x20, stack, stack+0x10))
	require.ErrorIs(t, b.Stop, postmortem.ErrUserMode)
}

// A function at its first instruction has no frame yet, nor has a call
// through a nil pointer.
func TestBacktraceAtEntry(t *testing.T) {
	t.Parallel()
	for _, pc := range []uint64{textBase + 0x300, 0, 0x10} {
		first := "faulting+0x0"
		if pc < 4096 {
			first = fmt.Sprintf("+%#x", 0)
		}
		k, m := stackKernel(t, minidump.AMD64)
		m.word(stack, textBase+0x410) // the return address
		m.call(stack+0x10, 0, textBase+0x20)
		b := k.Backtrace(registers(minidump.AMD64, pc, stack, stack+0x10))
		requireFrames(t, b, first, "caller+0x10", "panic+0x20")

		k, m = stackKernel(t, minidump.ARM64)
		m.call(stack+0x10, 0, textBase+0x20)
		r := registers(minidump.ARM64, pc, stack, stack+0x10)
		r.List = append(r.List, postmortem.Register{Name: "x30", Value: textBase + 0x410})
		requireFrames(t, k.Backtrace(r), first, "caller+0x10", "panic+0x20")
	}
}

func TestBacktraceStripsPointerAuthentication(t *testing.T) {
	t.Parallel()
	k, m := stackKernel(t, minidump.ARM64)
	m.call(stack+0x10, stack+0x20, (textBase+0x410)&^(uint64(0x5a)<<56))
	m.call(stack+0x20, 0, 0x123f<<48|0x1000) // bit 55 clear: the lower half
	b := k.Backtrace(registers(minidump.ARM64, textBase+0x20, stack, stack+0x10))
	require.Len(t, b.Frames, 3)
	require.Equal(t, textBase+0x410, b.Frames[1].PC)
	require.Equal(t, uint64(0x1000), b.Frames[2].PC)
}

func FuzzBacktrace(f *testing.F) {
	f.Add([]byte{0x10, 0, 1, 0, 0, 0xfe, 0xff, 0xff}, uint64(0x20), uint64(8))
	f.Fuzz(func(t *testing.T, data []byte, pc, fp uint64) {
		for _, a := range architectures {
			m := memory{}
			m.write(stack, data)
			k := &postmortem.Kernel{Memory: m, Architecture: a}
			b := k.Backtrace(registers(a, pc, stack, stack+fp%uint64(len(data)+1)))
			require.Error(t, b.Stop)
			require.LessOrEqual(t, len(b.Frames), postmortem.MaxFrames)
		}
	})
}
