//go:build linux && (amd64 || arm64)

package kernel

import (
	"syscall"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// inputInterval is how often the console is looked at while a thread reads it.
const inputInterval = 10e6

// File descriptors that there are.
const (
	fileInput  = 0
	fileOutput = 1
	fileError  = 2
	filePoller = 3 // epoll
	fileEvent  = 4 // eventfd
)

// serve executes one system call of the current thread. What the runtime does
// not need gets ENOSYS, which it always takes well.
//
//go:nosplit
func serve(t *thread, number, a0, a1, a2, a3, a4, a5 uintptr) {
	k.stats.systemCalls++
	if number < uintptr(len(k.stats.calls)) {
		*element(&k.stats.calls[0], number)++
	}
	if number >= callFirst {
		t.registers.setReturn(serveOwn(number, a0, a1, a2, a3))
		return
	}
	result, handled := serveMemory(number, a0, a1, a2, a3)
	if !handled {
		result, handled = serveFiles(number, a0, a1, a2, a3)
	}
	if !handled {
		result, handled = serveSignals(t, number, a0, a1, a2)
	}
	if handled {
		t.registers.setReturn(result)
		return
	}
	if serveArchitecture(t, number, a0, a1) {
		return
	}
	serveThreads(t, number, a0, a1, a2, a3)
}

// serveThreads has the calls that may switch to another thread; the result is
// in the thread's registers before it does.
//
//go:nosplit
func serveThreads(t *thread, number, a0, a1, a2, a3 uintptr) {
	result := uintptr(0)
	switch number {
	case syscall.SYS_FUTEX:
		futex(t, a0, a1, a2, a3)
		return
	case syscall.SYS_NANOSLEEP:
		k.threads.wait(threadSleep, 0, deadline(a0))
		schedule()
		return
	case syscall.SYS_READ: // of the console, with nothing there: again in a while
		t.registers.repeat()
		k.threads.wait(threadSleep, 0, nanoseconds()+inputInterval)
		schedule()
		return
	case syscall.SYS_SCHED_YIELD:
		t.registers.setReturn(0)
		schedule()
		return
	case syscall.SYS_EPOLL_PWAIT:
		poll(t, a1, a3)
		return
	case syscall.SYS_CLONE:
		result = k.threads.create(a1)
	case syscall.SYS_EXIT:
		t.state = threadFree
		schedule()
		return
	case syscall.SYS_EXIT_GROUP:
		exitGroup(t, a0)
	case syscall.SYS_GETPID, syscall.SYS_GETPPID:
		result = 1
	case syscall.SYS_GETTID:
		result = t.id
	case syscall.SYS_GETUID, syscall.SYS_GETEUID, syscall.SYS_GETGID, syscall.SYS_GETEGID:
	case syscall.SYS_SCHED_GETAFFINITY: // one CPU: GOMAXPROCS is 1
		store64(a2, 1)
		result = 8
	case syscall.SYS_CLOCK_GETTIME:
		ns := nanoseconds()
		if a0 == 0 {
			ns += k.wallClock
		}
		store64(a1, ns/1e9)
		store64(a1+8, ns%1e9)
	case syscall.SYS_UNAME:
		fillName(a0)
	case callRandom:
		result = randomBytes(a0, a1)
	case callPrctl: // PR_SET_VMA; the runtime stops naming its memory after EINVAL
		result = errnoInvalid
	default:
		result = errnoNoCall
	}
	t.registers.setReturn(result)
}

// deadline is now plus the timespec at address.
//
//go:nosplit
func deadline(timespec uintptr) uintptr {
	return nanoseconds() + load64(timespec)*1e9 + load64(timespec+8) + 1
}

//go:nosplit
func futex(t *thread, address, operation, value, timeout uintptr) {
	switch operation & 127 {
	case 0: // FUTEX_WAIT
		if load32(address) != uint32(value) {
			t.registers.setReturn(errnoAgain)
			return
		}
		end := uintptr(0)
		if timeout != 0 {
			end = deadline(timeout)
		}
		k.threads.wait(threadFutex, address, end)
		schedule()
	case 1: // FUTEX_WAKE
		t.registers.setReturn(k.threads.wakeFutex(address, value))
	default:
		t.registers.setReturn(errnoNoCall)
	}
}

//go:nosplit
func poll(t *thread, buffer, milliseconds uintptr) {
	if k.threads.eventCount > 0 {
		k.threads.putEvent(buffer)
		t.registers.setReturn(1)
		return
	}
	if milliseconds == 0 {
		t.registers.setReturn(0)
		return
	}
	end := uintptr(0)
	if int32(milliseconds) > 0 {
		end = nanoseconds() + milliseconds*1e6
	}
	t.events = buffer
	k.threads.wait(threadPoll, 0, end)
	schedule()
}

// schedule switches to the next thread that can run, waiting for it by
// spinning: there are no interrupts that could end a halt.
//
//go:nosplit
func schedule() {
	old := k.threads.running
	idleSince := uintptr(0)
	for {
		now := nanoseconds()
		i, found, waiting := k.threads.next(now)
		if found {
			if idleSince != 0 {
				k.stats.idle += now - idleSince
			}
			if i != old {
				k.stats.switches++
				switchThread(k.threads.at(old), k.threads.at(i))
				k.threads.running = i
			}
			k.current = addressOf(k.threads.at(i))
			return
		}
		if !waiting {
			panicThread(k.threads.at(old), handoff.ReasonCall, 0, "deadlock: every thread waits, and none has a deadline")
		}
		if idleSince == 0 {
			idleSince = now
		}
		pause()
	}
}

//go:nosplit
func serveFiles(number, a0, a1, a2, a3 uintptr) (result uintptr, handled bool) {
	switch number {
	case syscall.SYS_WRITE:
		switch a0 {
		case fileOutput, fileError:
			writeConsole(a1, a2)
			return a2, true
		case fileEvent:
			k.threads.signalEvent(load64(a1))
			return 8, true
		}
		return errnoBadFile, true
	case syscall.SYS_READ:
		switch {
		case a0 == fileEvent && k.threads.eventCount > 0:
			store64(a1, k.threads.eventCount)
			k.threads.eventCount = 0
			return 8, true
		case a0 == fileEvent:
			return errnoAgain, true
		case a0 == fileInput:
			result = readConsole(a1, a2)
			return result, result != errnoAgain
		}
		return errnoBadFile, true
	case syscall.SYS_EPOLL_CREATE1:
		return filePoller, true
	case syscall.SYS_EVENTFD2:
		return fileEvent, true
	case syscall.SYS_EPOLL_CTL:
		if a2 != fileEvent {
			return errnoPermission, true // what Linux says of regular files
		}
		if a3 != 0 {
			k.threads.eventData = load64(a3 + epollDataOffset)
		}
		return 0, true
	case syscall.SYS_FCNTL:
		if a0 <= fileEvent {
			return 0, true
		}
		return errnoBadFile, true
	case syscall.SYS_CLOSE:
		return 0, true
	case syscall.SYS_PIPE2, syscall.SYS_SOCKET:
		return errnoFiles, true
	case syscall.SYS_OPENAT, syscall.SYS_READLINKAT, callStatAt:
		return errnoNoEntry, true
	}
	return 0, false
}
