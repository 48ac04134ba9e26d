package arm64

import (
	"encoding/binary"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
)

// System calls by number (Linux, include/uapi/asm-generic/unistd.h).
const (
	callFcntl        = 25
	callOpenAt       = 56
	callWrite        = 64
	callReadLinkAt   = 78
	callExit         = 93
	callExitGroup    = 94
	callFutex        = 98
	callNanosleep    = 101
	callClockGetTime = 113
	callAffinity     = 123
	callYield        = 124
	callTgkill       = 131
	callSignalStack  = 132
	callSignalAction = 134
	callSignalMask   = 135
	callPrctl        = 167
	callGetPid       = 172
	callGetTid       = 178
	callMunmap       = 215
	callClone        = 220
	callMmap         = 222
	callMadvise      = 233
	callPrlimit      = 261
	callGetRandom    = 278
)

// Errors, as calls give them.
const (
	errorNotFound = -2
	errorAgain    = -11
)

// call answers a system call of the running thread.
func (p *process) call() {
	c := p.cpu
	number, a := c.r[8], [6]uint64(c.r[:6])
	result := int64(0)
	switch number {
	case callWrite:
		p.out.Write(p.read(a[1], int(a[2])))
		result = int64(a[2])
	case callExitGroup:
		p.exited, p.code = true, a[0]
		return
	case callMmap:
		result = p.mmap(a)
	case callMunmap:
		p.unmap(a[0], a[1])
	case callMadvise:
		if a[2] == 4 { // MADV_DONTNEED
			p.unmap(a[0], a[1])
		}
	case callOpenAt, callReadLinkAt:
		result = errorNotFound
	case callFcntl, callSignalStack, callSignalAction, callSignalMask, callPrctl, callTgkill, callPrlimit:
		// nothing comes of them
	case callGetPid:
		result = 1
	case callGetTid:
		result = int64(p.threads[p.current].id)
	case callAffinity:
		p.write64(a[2], 1)
		result = 8
	case callGetRandom:
		p.write(a[0], make([]byte, a[1]))
		result = int64(a[1])
	case callClockGetTime:
		p.write64(a[1], p.now()/1e9)
		p.write64(a[1]+8, p.now()%1e9)
	default:
		if !p.callThreads(number, a) {
			p.t.Fatalf("system call %d%v at %#x is not there\n%s", number, a, c.sys.elr[1], p.out.String())
		}
		return
	}
	c.r[0] = uint64(result)
	p.resume()
}

// mmap gives addresses; pages come when they are touched. What was at a fixed
// address is gone.
func (p *process) mmap(a [6]uint64) int64 {
	size := (a[1] + pageMask) &^ pageMask
	if at := a[0]; at != 0 {
		const fixed = 0x10
		if a[3]&fixed != 0 {
			p.unmap(at, size)
		}
		return int64(at)
	}
	at := p.area
	p.area += size + emulator.PageSize
	return int64(at)
}

// callThreads answers calls after which another thread may run.
func (p *process) callThreads(number uint64, a [6]uint64) bool {
	c := p.cpu
	t := p.threads[p.current]
	c.r[0] = 0
	p.pause(c.sys.spsr[1], c.sys.elr[1])
	switch number {
	case callFutex:
		p.futex(t, a)
	case callNanosleep:
		t.waits, t.deadline = true, p.now()+p.duration(a[0])
	case callYield:
	case callExit:
		t.dead = true
	case callClone:
		child := *t
		child.id = uint64(len(p.threads) + 1)
		child.sp = a[1]
		const setTLS = 0x80000
		if a[0]&setTLS != 0 {
			child.tls = a[3]
		}
		t.x[0] = child.id
		p.threads = append(p.threads, &child)
	default:
		return false
	}
	p.schedule()
	return true
}

// duration reads a struct timespec.
func (p *process) duration(at uint64) uint64 {
	b := p.read(at, 16)
	return binary.LittleEndian.Uint64(b)*1e9 + binary.LittleEndian.Uint64(b[8:]) + 1
}

// futex waits and wakes. A thread whose time is over finds that out by itself:
// 0 is as good an answer to the runtime as that it timed out.
func (p *process) futex(t *thread, a [6]uint64) {
	const wait, wake, operations = 0, 1, 0x7f
	switch a[1] & operations {
	case wait:
		if binary.LittleEndian.Uint32(p.read(a[0], 4)) != uint32(a[2]) {
			again := int64(errorAgain)
			t.x[0] = uint64(again)
			return
		}
		t.waits, t.futex, t.deadline = true, a[0], 0
		if a[3] != 0 {
			t.deadline = p.now() + p.duration(a[3])
		}
	case wake:
		n := uint64(0)
		for _, other := range p.threads {
			if n < a[2] && other.waits && other.futex == a[0] {
				other.waits, other.futex = false, 0
				n++
			}
		}
		t.x[0] = n
	default:
		require.Fail(p.t, "futex", "operation %#x", a[1])
	}
}
