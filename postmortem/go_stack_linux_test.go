//go:build linux && (amd64 || arm64)

package postmortem_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/postmortem"
	"github.com/seed64aab995/rescuekernel/postmortem/internal/framepointer"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// stackCopy is the memory at and above a frame pointer of this process.
type stackCopy struct {
	address uint64
	data    []byte
}

func (s *stackCopy) ReadVirtual(p []byte, address uint64) (int, error) {
	if address < s.address || address-s.address >= uint64(len(s.data)) {
		return 0, errNoPage
	}
	n := copy(p, s.data[address-s.address:])
	if n < len(p) {
		return n, errNoPage
	}
	return n, nil
}

// capture copies this stack and asks the runtime what is on it.
//
//go:noinline
func capture(memory *os.File, s *stackCopy, pcs []uintptr) ([]uintptr, error) {
	s.address = framepointer.Caller()
	n, err := memory.ReadAt(s.data[:cap(s.data)], int64(s.address))
	s.data = s.data[:n]
	if n > 0 {
		err = nil // the mapping may end before the buffer
	}
	return pcs[:runtime.Callers(1, pcs)], err
}

//go:noinline
func descend(depth int, memory *os.File, s *stackCopy, pcs []uintptr) ([]uintptr, error) {
	if depth == 0 {
		got, err := capture(memory, s, pcs)
		return got, err
	}
	got, err := descend(depth-1, memory, s, pcs)
	return got, err
}

// A stack of the Go compiler's own making is walked as the runtime does it,
// and a test binary has the names.
func TestGoStack(t *testing.T) {
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skipf("cannot read this process: %v", err)
	}
	defer func() { _ = memory.Close() }()
	s := &stackCopy{data: make([]byte, 0, 16<<10)}
	pcs := make([]uintptr, 64)
	var want []uintptr
	for range 2 { // the first round may grow the stack, and so move it
		s.data = s.data[:0]
		if want, err = descend(5, memory, s, pcs); err != nil {
			t.Skipf("cannot read this process: %v", err)
		}
	}
	executable, err := os.Executable()
	require.NoError(t, err)
	file, err := os.Open(executable)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	table, err := symbols.Open(file)
	require.NoError(t, err)

	architecture := minidump.AMD64
	if runtime.GOARCH == "arm64" {
		architecture = minidump.ARM64
	}
	k := &postmortem.Kernel{Memory: s, Architecture: architecture, Symbols: table}
	trace := k.Backtrace(registers(architecture, uint64(want[0]), s.address, s.address))
	var got []uint64
	for _, frame := range trace.Frames {
		if !strings.Contains(frame.Function, ".gowrap") { // the runtime hides the wrappers of go statements
			got = append(got, frame.PC)
		}
	}
	var expected []uint64
	for _, pc := range want {
		expected = append(expected, uint64(pc))
	}
	require.Equal(t, expected, got, "%v: %v", trace.Frames, trace.Stop)
	require.Equal(t, "runtime.goexit", trace.Frames[len(trace.Frames)-1].Function)
	require.True(t, strings.HasSuffix(trace.Frames[1].Function, "postmortem_test.descend"), trace.Frames[1].Function)
	require.True(t, strings.HasSuffix(trace.Frames[1].File, "go_stack_linux_test.go"), trace.Frames[1].File)
	require.ErrorIs(t, trace.Stop, postmortem.ErrEndOfStack)
}
