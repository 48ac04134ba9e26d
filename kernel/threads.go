package kernel

const maxThreads = 64

// States of a thread.
const (
	threadFree = iota
	threadRunning
	threadFutex // waits at address
	threadSleep
	threadPoll // waits in epoll_pwait
)

// Errors of system calls, as Linux returns them: negative numbers. They are
// the same on all architectures (include/uapi/asm-generic/errno.h).
const (
	errnoPermission = ^uintptr(0)
	errnoNoEntry    = ^uintptr(2 - 1)
	errnoSearch     = ^uintptr(3 - 1)
	errnoBadFile    = ^uintptr(9 - 1)
	errnoAgain      = ^uintptr(11 - 1)
	errnoNoMemory   = ^uintptr(12 - 1)
	errnoFault      = ^uintptr(14 - 1)
	errnoExists     = ^uintptr(17 - 1)
	errnoInvalid    = ^uintptr(22 - 1)
	errnoFiles      = ^uintptr(24 - 1)
	errnoNoCall     = ^uintptr(38 - 1)
	errnoTimedOut   = ^uintptr(110 - 1)
	errnoInterrupt  = ^uintptr(4 - 1)
)

// thread is what the Go runtime takes for a kernel thread. Threads are
// cooperative: they are switched where one waits, and nowhere else.
type thread struct {
	registers registers
	tlsWord   uintptr // amd64: the word at FS base - 8, where Go keeps g
	state     uintptr
	id        uintptr
	address   uintptr // of the futex
	wake      uintptr // nanoseconds of the monotonic clock; 0: no deadline
	stack     uintptr // the signal stack
	stackSize uintptr
	events    uintptr // buffer of epoll_pwait
	mask      uintptr // blocked signals, kept for the runtime to read back
}

// threadTable is the scheduler's state and that of the one poller (epoll with
// one eventfd, which is all that the runtime makes) that wakes threads.
type threadTable struct {
	running    uintptr // index
	eventCount uintptr // of the eventfd
	eventData  uintptr // the runtime's token for it
	list       [maxThreads]thread
}

//go:nosplit
func (s *threadTable) at(i uintptr) *thread { return element(&s.list[0], i) }

//go:nosplit
func (s *threadTable) current() *thread { return s.at(s.running) }

// next chooses the thread to run at a time, beginning after the running one: it
// ends the waits whose deadline has passed on its way. waiting says whether
// any thread that waits has a deadline: with none runnable and none waiting
// nothing can ever happen again.
//
//go:nosplit
func (s *threadTable) next(now uintptr) (i uintptr, found, waiting bool) {
	for n := uintptr(1); n <= maxThreads; n++ {
		i = s.running + n
		if i >= maxThreads {
			i -= maxThreads
		}
		t := s.at(i)
		if t.state > threadRunning && t.wake != 0 {
			if t.wake <= now {
				s.wake(t, t.timedOut())
			} else {
				waiting = true
			}
		}
		if t.state == threadRunning {
			return i, true, waiting
		}
	}
	return 0, false, waiting
}

// timedOut is what a wait returns at its deadline.
//
//go:nosplit
func (t *thread) timedOut() uintptr {
	if t.state == threadFutex {
		return errnoTimedOut
	}
	return 0
}

// wake makes a waiting thread runnable; its call returns result.
//
//go:nosplit
func (s *threadTable) wake(t *thread, result uintptr) {
	t.state = threadRunning
	t.wake = 0
	t.registers.setReturn(result)
}

// wait puts the current thread to sleep. A deadline of 0 is none.
//
//go:nosplit
func (s *threadTable) wait(state, address, deadline uintptr) {
	t := s.current()
	t.state = state
	t.address = address
	t.wake = deadline
}

// wakeFutex wakes up to n threads that wait at address, and says how many.
//
//go:nosplit
func (s *threadTable) wakeFutex(address, n uintptr) uintptr {
	woken := uintptr(0)
	for i := uintptr(0); i < maxThreads && woken < n; i++ {
		if t := s.at(i); t.state == threadFutex && t.address == address {
			s.wake(t, 0)
			woken++
		}
	}
	return woken
}

// signalEvent adds to the eventfd and wakes who polls for it.
//
//go:nosplit
func (s *threadTable) signalEvent(n uintptr) {
	s.eventCount += n
	for i := uintptr(0); i < maxThreads; i++ {
		if t := s.at(i); t.state == threadPoll {
			s.putEvent(t.events)
			s.wake(t, 1)
		}
	}
}

// putEvent writes the one struct epoll_event there can be: EPOLLIN.
//
//go:nosplit
func (s *threadTable) putEvent(buffer uintptr) {
	store32(buffer, 1)
	store64(buffer+epollDataOffset, s.eventData)
}

// create makes a runnable copy of the current thread that returns 0 from its
// clone call on another stack. It returns the new thread's id or an error.
//
//go:nosplit
func (s *threadTable) create(stack uintptr) uintptr {
	for i := uintptr(0); i < maxThreads; i++ {
		t := s.at(i)
		if t.state != threadFree {
			continue
		}
		t.registers = s.current().registers
		t.registers.setStack(stack)
		t.registers.setReturn(0)
		t.id = i + 1
		t.tlsWord, t.stack, t.stackSize, t.wake, t.mask = 0, 0, 0, 0, 0
		t.state = threadRunning
		return t.id
	}
	return errnoAgain
}
