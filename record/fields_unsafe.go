package record

import "unsafe"

// Fields is a Record as the panic path has it: without strings and slices, so
// that it can be filled in by code that must not check bounds. PanicFields gives
// one that lies in the area itself.
type Fields struct {
	Time         int64
	Uptime       uint64
	Vector       uint64
	ErrorCode    uint64
	FaultAddress uint64
	PC           uint64
	Count        uint64
	First        uint64
	StackAddress uint64
	CPU          uint32
	Generation   uint32
	Flags        Flags
	Reason       uint32
	Stopped      uint32
	NotStopped   uint32
	Architecture Architecture
	_            uint32

	Class     View
	Source    View
	BuildID   View
	Message   View
	Registers View
	Stack     View
	Trace     View
}

// Keys of the record's map. They are the schema.
const (
	keyVersion      = 0
	keyRestartID    = 1
	keySequence     = 2
	keyTime         = 3
	keyUptime       = 4
	keyCPU          = 5
	keyClass        = 6
	keySource       = 7
	keyGeneration   = 8
	keyFlags        = 9
	keyReason       = 10
	keyVector       = 11
	keyErrorCode    = 12
	keyFaultAddress = 13
	keyPC           = 14
	keyStopped      = 15
	keyNotStopped   = 16
	keyCount        = 17
	keyFirst        = 18
	keyBuildID      = 19
	keyArchitecture = 20
	keyMessage      = 21
	keyRegisters    = 22
	keyStackAddress = 23
	keyStack        = 24
	keyTrace        = 25
)

const (
	// MaxName is the most of a class, a source or a build id that is kept.
	MaxName     = 63
	maxBuildID  = 127
	fixedSize   = 3 + 19*(1+9) + 1 + 17 + 2*(1+2+MaxName) + 1 + 2 + maxBuildID
	variableMax = 2 + 5 // head and key of each of the last items
	// leastPayload has room for all but the parts that may be cut.
	leastPayload = fixedSize + 4*variableMax
)

// Set sets a view of Fields. A plain assignment would be one of a pointer: while
// the garbage collector marks, the compiler's write barrier would write to memory
// that a panic must leave alone.
//
//go:nosplit
func (v *View) Set(w View) {
	*(*uintptr)(unsafe.Pointer(&v.start)) = uintptr(w.start)
	v.length = w.length
}

// clip is v up to most bytes.
//
//go:nosplit
func (v View) clip(most uintptr) View {
	if v.length > most {
		v.length = most
	}
	return v
}

// take takes room for v out of left, and cuts it to what there is.
//
//go:nosplit
func (v *View) take(left *uintptr) (cut bool) {
	if v.length > *left {
		v.length, cut = *left, true
	}
	*left -= v.length
	return cut
}

// fit cuts what a slot of size bytes has no room for: of the message first no
// more than half of the room, then the registers whole or not at all, then
// stack and trace.
//
//go:nosplit
func (f *Fields) fit(size uintptr) {
	f.Class.Set(f.Class.clip(MaxName))
	f.Source.Set(f.Source.clip(MaxName))
	f.BuildID.Set(f.BuildID.clip(maxBuildID))
	left := size - leastPayload
	half := left / 2
	rest := left - half
	if f.Message.take(&half) {
		f.Flags |= FlagMessageCut
	}
	left = half + rest
	if f.Registers.length > left {
		f.Registers.length = 0
		f.Flags |= FlagNoRegisters
	}
	left -= f.Registers.length
	if f.Stack.take(&left) {
		f.Flags |= FlagStackCut
	}
	if f.Trace.take(&left) {
		f.Flags |= FlagTraceCut
	}
}

// pairs counts the pairs of the map: version, restart id, sequence number,
// class, source, and whatever of the rest is not zero.
//
//go:nosplit
func (f *Fields) pairs() int {
	n := 5
	if f.CPU != NoCPU {
		n++
	}
	if f.Time != 0 {
		n++
	}
	for _, v := range [...]uint64{f.Uptime, f.Vector, f.ErrorCode, f.FaultAddress, f.PC, f.Count, f.First, f.StackAddress} {
		if v != 0 {
			n++
		}
	}
	for _, v := range [...]uint32{f.Generation, uint32(f.Flags), f.Reason, f.Stopped, f.NotStopped, uint32(f.Architecture)} {
		if v != 0 {
			n++
		}
	}
	for _, v := range [...]uintptr{f.BuildID.length, f.Message.length, f.Registers.length, f.Stack.length, f.Trace.length} {
		if v != 0 {
			n++
		}
	}
	return n
}

//go:nosplit
func (e *Encoder) number(key, v uint64) {
	if v != 0 {
		e.Uint(key)
		e.Uint(v)
	}
}

//go:nosplit
func (e *Encoder) text(key uint64, v View) {
	if v.length != 0 {
		e.Uint(key)
		e.Text(v)
	}
}

//go:nosplit
func (e *Encoder) bytes(key uint64, v View) {
	if v.length != 0 {
		e.Uint(key)
		e.Bytes(v)
	}
}

// record appends f as a map with ascending keys, which is the deterministic
// encoding of RFC 8949 section 4.2.1. f has been made to fit.
//
//go:nosplit
func (e *Encoder) record(f *Fields, restart unsafe.Pointer, sequence uint64) {
	e.Map(f.pairs())
	e.Uint(keyVersion)
	e.Uint(Version)
	e.Uint(keyRestartID)
	e.Bytes(View{restart, 16})
	e.Uint(keySequence)
	e.Uint(sequence)
	if f.Time != 0 {
		e.Uint(keyTime)
		e.Int(f.Time)
	}
	e.number(keyUptime, f.Uptime)
	if f.CPU != NoCPU {
		e.Uint(keyCPU)
		e.Uint(uint64(f.CPU))
	}
	e.Uint(keyClass)
	e.Text(f.Class)
	e.Uint(keySource)
	e.Text(f.Source)
	e.number(keyGeneration, uint64(f.Generation))
	e.number(keyFlags, uint64(f.Flags))
	e.number(keyReason, uint64(f.Reason))
	e.number(keyVector, f.Vector)
	e.number(keyErrorCode, f.ErrorCode)
	e.number(keyFaultAddress, f.FaultAddress)
	e.number(keyPC, f.PC)
	e.number(keyStopped, uint64(f.Stopped))
	e.number(keyNotStopped, uint64(f.NotStopped))
	if f.Count == UnknownCount {
		e.Uint(keyCount)
		e.Null()
	} else {
		e.number(keyCount, f.Count)
	}
	e.number(keyFirst, f.First)
	e.text(keyBuildID, f.BuildID)
	e.number(keyArchitecture, uint64(f.Architecture))
	e.text(keyMessage, f.Message)
	e.bytes(keyRegisters, f.Registers)
	e.number(keyStackAddress, f.StackAddress)
	e.bytes(keyStack, f.Stack)
	e.text(keyTrace, f.Trace)
}

// fields are r's. They point into r, which must live as long.
func (r *Record) fields() Fields {
	return Fields{
		Time: r.Time, Uptime: r.Uptime, Vector: r.Vector, ErrorCode: r.ErrorCode,
		FaultAddress: r.FaultAddress, PC: r.PC, Count: r.Count, First: r.First,
		StackAddress: r.StackAddress, CPU: r.CPU, Generation: r.Generation, Flags: r.Flags,
		Reason: r.Reason, Stopped: r.Stopped, NotStopped: r.NotStopped, Architecture: r.Architecture,
		Class: ViewString(r.Class), Source: ViewString(r.Source), BuildID: ViewString(r.BuildID),
		Message: ViewString(r.Message), Registers: ViewBytes(r.Registers), Stack: ViewBytes(r.Stack),
		Trace: ViewString(r.Trace),
	}
}

// AppendBinary appends r as CBOR. It never fails; names that are too long are
// cut as in an Area.
func (r *Record) AppendBinary(dst []byte) ([]byte, error) {
	f := r.fields()
	size := leastPayload + 2*len(r.Message) + len(r.Registers) + len(r.Stack) + len(r.Trace)
	start := len(dst)
	dst = append(dst, make([]byte, size)...)
	f.fit(uintptr(size))
	e := NewEncoder(dst[start:])
	e.record(&f, unsafe.Pointer(&r.RestartID), r.Sequence)
	return dst[:start+e.Len()], nil
}

// Nanoseconds is how long a counter of so many kilohertz takes for counts: what
// the panic path needs for Time and Uptime.
//
//go:nosplit
func Nanoseconds(counts, kilohertz uint64) uint64 {
	if kilohertz == 0 {
		return 0
	}
	return counts/kilohertz*1e6 + counts%kilohertz*1e6/kilohertz
}
