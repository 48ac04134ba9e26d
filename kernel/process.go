//go:build linux && (amd64 || arm64)

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// The first thread's stack as Linux leaves it (System V ABI 3.4.1): vectors at
// startSize below the top, strings above them.
const (
	startSize    = 16 << 10
	startVectors = 8 << 10 // argument, environment and auxiliary vectors
	startRandom  = 64      // below the top: AT_RANDOM's bytes

	auxPageSize = 6
	auxFeatures = 16
	auxRandom   = 25
	auxVDSO     = 33
)

// startWriter writes vectors and strings of the first stack.
type startWriter struct {
	vector, vectorEnd uintptr
	text, textEnd     uintptr
}

//go:nosplit
func (w *startWriter) push(v uintptr) bool {
	if w.vector >= w.vectorEnd {
		return false
	}
	store64(w.vector, v)
	w.vector += 8
	return true
}

// begin starts a string in the text area, and append adds to it.
//
//go:nosplit
func (w *startWriter) begin() { w.push(w.text) }

//go:nosplit
func (w *startWriter) append(p, n uintptr) {
	for i := uintptr(0); i < n && w.text < w.textEnd; i++ {
		store8(w.text, load8(p+i))
		w.text++
	}
}

//go:nosplit
func (w *startWriter) appendString(s string) { w.append(stringAddress(s), uintptr(len(s))) }

//go:nosplit
func (w *startWriter) appendDecimal(v uintptr) {
	d := uintptr(1)
	for v/d >= 10 {
		d *= 10
	}
	for ; d > 0; d /= 10 {
		w.append(stringAddress("0123456789")+v/d%10, 1)
	}
}

//go:nosplit
func (w *startWriter) end() {
	store8(w.text, 0)
	w.text++
}

//go:nosplit
func (w *startWriter) add(s string) {
	w.begin()
	w.appendString(s)
	w.end()
}

// initProcess makes the first thread and what Linux would give it.
//
//go:nosplit
func initProcess() {
	initRandom()
	store64(k.stackTop-startRandom, uintptr(nextRandom()))
	store64(k.stackTop-startRandom+8, uintptr(nextRandom()))
	vdso := allocateZeroed()
	if vdso == 0 || !mapFrame(vdsoAddress, vdso|entryReadOnly) {
		panicEarly("no memory for the vDSO")
	}
	// The symbol's value counts from the object's address, which is not where
	// it is written.
	buildVDSO(virtual(vdso), vdsoSymbol, k.symbols.clock-vdsoAddress)
	w := &k.start
	w.vector = k.stackTop - startSize
	w.vectorEnd = w.vector + startVectors - 128
	w.text = w.vector + startVectors
	w.textEnd = k.stackTop - startRandom - 16
	k.startStack = w.vector
	if handoff.Role(k.role) == handoff.RoleHost {
		putHostStrings(w)
	} else {
		putRescueStrings(w)
	}
	w.vectorEnd += 128 // what the auxiliary vector needs was kept free
	for _, v := range [...]uintptr{0, auxPageSize, pageSize, auxFeatures, processorFeatures(), auxRandom, k.stackTop - startRandom, auxVDSO, vdsoAddress, 0, 0} {
		w.push(v)
	}
	t := k.threads.at(0)
	t.id = 1
	t.state = threadRunning
	k.current = addressOf(t)
	k.stats.startTicks = ticks()
}

// putHostStrings makes arguments and environment of the command line as Linux
// does for init: words with an equals sign are variables, others arguments.
//
//go:nosplit
func putHostStrings(w *startWriter) {
	arguments := w.vector
	w.push(1)
	w.add("host")
	command := addressOf(&k.facts.command)
	putWords(w, command, k.facts.commandLength, false)
	store64(arguments, (w.vector-arguments)/8-1)
	w.push(0)
	putDebug(w, findWord(command, k.facts.commandLength, "GODEBUG="), "")
	putWords(w, command, k.facts.commandLength, true)
	w.begin()
	w.appendString("GOMEMLIMIT=")
	w.appendDecimal(k.frames.left / 8 * 7 * pageSize)
	w.end()
	w.add("GOTRACEBACK=all")
}

// putRescueStrings makes the environment of the hand-off block's: its strings
// are used where they are.
//
//go:nosplit
func putRescueStrings(w *startWriter) {
	w.push(1)
	w.add("rescue")
	w.push(0)
	start, end := part(handoff.PartEnvironment)
	slot := k.block + handoff.OffsetParts + uintptr(handoff.PartEnvironment)*handoff.PartSlotSize
	if n := uintptr(load32(slot + handoff.OffsetPartLength)); n != 0 {
		end = start + n
	}
	start, end = virtual(start), virtual(end)
	putDebug(w, findString(start, end, "GODEBUG="), rescueDebug)
	for p := start; p < end && load8(p) != 0; {
		if !w.push(p) {
			break
		}
		for p < end && load8(p) != 0 {
			p++
		}
		p++
	}
	if limit := header(handoff.OffsetMemoryLimit); limit != 0 {
		w.begin()
		w.appendString("GOMEMLIMIT=")
		w.appendDecimal(limit)
		w.end()
	}
	if percent := load32(k.block + handoff.OffsetGCPercent); percent != 0 {
		w.begin()
		w.appendString("GOGC=")
		w.appendDecimal(uintptr(percent))
		w.end()
	}
	w.add("GOTRACEBACK=all")
}

// rescueDebug keeps the runtime of a rescue program from the table of a profile that
// nobody reads: 1.4 MiB of the address space, which it counts against the memory
// limit.
const rescueDebug = ",memprofilerate=0"

// putDebug puts GODEBUG first, where it wins over a later one: the value found
// at p (0: none) and what the kernel needs. Preemption by signals is off
// because no interrupt could send one.
//
//go:nosplit
func putDebug(w *startWriter, p uintptr, more string) {
	w.begin()
	w.appendString("GODEBUG=")
	if p != 0 {
		n := uintptr(0)
		for load8(p+n) > ' ' {
			n++
		}
		w.append(p, n)
		w.appendString(",")
	}
	w.appendString("asyncpreemptoff=1")
	w.appendString(more)
	w.end()
}

// putWords adds the words of a command line that have, or have not, an equals
// sign.
//
//go:nosplit
func putWords(w *startWriter, p, n uintptr, variables bool) {
	for i := uintptr(0); i < n; {
		for i < n && load8(p+i) <= ' ' {
			i++
		}
		first, equals := i, false
		for i < n && load8(p+i) > ' ' {
			equals = equals || load8(p+i) == '='
			i++
		}
		if i > first && equals == variables {
			w.begin()
			w.append(p+first, i-first)
			w.end()
		}
	}
}

// findWord is the address behind prefix in a command line, 0 if no word begins so.
// The line ends in a zero byte.
//
//go:nosplit
func findWord(p, n uintptr, prefix string) uintptr {
	for i := uintptr(0); i < n; i++ {
		if (i == 0 || load8(p+i-1) <= ' ') && hasPrefix(p+i, n-i, prefix) {
			return p + i + uintptr(len(prefix))
		}
	}
	return 0
}

// findString is findWord for strings that end in zero bytes.
//
//go:nosplit
func findString(p, end uintptr, prefix string) uintptr {
	for p < end && load8(p) != 0 {
		if hasPrefix(p, end-p, prefix) {
			return p + uintptr(len(prefix))
		}
		for p < end && load8(p) != 0 {
			p++
		}
		p++
	}
	return 0
}
