package kernel

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// newThreads makes a table with n runnable threads, the first one running.
func newThreads(n int) *threadTable {
	s := &threadTable{}
	for i := range n {
		s.list[i].state, s.list[i].id = threadRunning, uintptr(i+1)
	}
	return s
}

// checkNext checks which thread is next at a time; -1 is none.
func checkNext(t *testing.T, s *threadTable, now uintptr, want int, wantWaiting bool) {
	t.Helper()
	i, found, waiting := s.next(now)
	require.Equal(t, want >= 0, found)
	if found {
		require.EqualValues(t, want, i)
		s.running = i
		return
	}
	require.Equal(t, wantWaiting, waiting)
}

func TestRoundRobin(t *testing.T) {
	t.Parallel()
	s := newThreads(3)
	for _, want := range []int{1, 2, 0, 1} {
		checkNext(t, s, 0, want, false)
	}
	s.wait(threadFutex, 0x10, 0)
	for _, want := range []int{2, 0, 2, 0} {
		checkNext(t, s, 0, want, false)
	}
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	s := newThreads(2)
	s.wait(threadSleep, 0, 100)
	s.running = 1
	s.wait(threadFutex, 0x10, 200)
	checkNext(t, s, 99, -1, true)
	checkNext(t, s, 100, 0, false)
	require.Zero(t, s.at(0).wake)
	s.wait(threadFutex, 0x20, 0)
	checkNext(t, s, 150, -1, true)
	checkNext(t, s, 500, 1, false)
	s.wait(threadFutex, 0x20, 0)
	checkNext(t, s, 1000, -1, false)
	require.EqualValues(t, 2, s.wakeFutex(0x20, 10))
	checkNext(t, s, 1000, 0, false)
}

func TestWakeFutex(t *testing.T) {
	t.Parallel()
	s := newThreads(5)
	for i := range 4 {
		s.running = uintptr(i)
		s.wait(threadFutex, 0x10+uintptr(i%2), 0)
	}
	s.running = 4
	require.EqualValues(t, 0, s.wakeFutex(0x30, 1))
	require.EqualValues(t, 1, s.wakeFutex(0x10, 1))
	require.EqualValues(t, threadRunning, s.at(0).state)
	require.EqualValues(t, threadFutex, s.at(2).state)
	require.EqualValues(t, 2, s.wakeFutex(0x11, 2))
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := newThreads(2)
	event := make([]byte, 16)
	s.eventData = 0x11223344
	s.at(0).events = address(event)
	s.wait(threadPoll, 0, 0)
	s.running = 1
	s.signalEvent(1)
	require.EqualValues(t, threadRunning, s.at(0).state)
	require.EqualValues(t, 1, binary.LittleEndian.Uint32(event))
	require.EqualValues(t, s.eventData, binary.LittleEndian.Uint64(event[epollDataOffset:]))
	require.EqualValues(t, 1, s.eventCount)
}

func TestCreate(t *testing.T) {
	t.Parallel()
	s := newThreads(1)
	for n := 2; n <= maxThreads; n++ {
		require.EqualValues(t, n, s.create(0x1000))
	}
	require.Equal(t, errnoAgain, s.create(0x1000))
	s.at(7).state = threadFree
	require.EqualValues(t, 8, s.create(0x1000))
}

func TestSignals(t *testing.T) {
	t.Parallel()
	s := &signalTable{}
	action := make([]uint64, 4)
	old := make([]uint64, 4)
	a, o := address(action), address(old)
	copy(action, []uint64{0x1234, 7, 0x5678, 0})
	require.Zero(t, s.action(11, a, o))
	require.Zero(t, old[0])
	require.EqualValues(t, 0x1234, s.taken(11))
	require.Zero(t, s.action(11, 0, o))
	require.Equal(t, []uint64{0x1234, 7, 0x5678, 0}, old)
	action[0] = 1 // SIG_IGN
	require.Zero(t, s.action(11, a, 0))
	require.Zero(t, s.taken(11))
	require.Equal(t, errnoInvalid, s.action(0, a, 0))
	require.Equal(t, errnoInvalid, s.action(maxSignal+1, a, 0))
	require.Zero(t, s.taken(1000))

	th := &thread{}
	set, before := []uint64{0xf0}, []uint64{0}
	for how, want := range []uintptr{0xf0, 0, 0xf0} {
		require.Zero(t, th.changeMask(uintptr(how), address(set), address(before)))
		require.Equal(t, want, th.mask)
	}
	require.Equal(t, errnoInvalid, th.changeMask(3, address(set), 0))

	stack := []uint64{0x9000, 0, 0x8000}
	was := []uint64{1, 1, 1}
	th.alternate(address(stack), address(was))
	require.Equal(t, []uint64{0, 2, 0}, was, "it was disabled")
	th.alternate(0, address(was))
	require.Equal(t, []uint64{0x9000, 0, 0x8000}, was)
}
