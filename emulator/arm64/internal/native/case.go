package native

import "encoding/binary"

// Where things lie in the address space of the program, and of whoever wants to
// give the same results.
const (
	Code  = 0x04000000 // slots
	Begin = 0x04800000 // data
	End   = 0x04820000 // end of the data; what is behind is not mapped

	// Middle is in the middle of the data, at the border of two pages of
	// whatever size.
	Middle = 0x04810000

	Slots     = 1024 // of one batch
	SlotWords = 16
	Entry     = 8 // word of a slot at which the instructions begin
	MaxCode   = 4 // instructions of a case

	// MemorySize is how much memory a case has: half of it around Middle, half
	// before End.
	MemorySize = 512
	halfMemory = MemorySize / 2
)

// Layout of a case and of a result. The program's assembly knows it too.
const (
	recordX      = 16
	recordSP     = recordX + 31*8
	recordNZCV   = recordSP + 8
	recordFPCR   = recordNZCV + 8
	recordFPSR   = recordFPCR + 8
	recordPC     = recordFPSR + 8
	recordV      = recordPC + 8
	recordMemory = recordV + 512

	// RecordSize is the size of a case, and of a result.
	RecordSize = recordMemory + MemorySize
)

// Windows are where the halves of a case's memory lie.
var Windows = [2]uint64{Middle - halfMemory/2, End - halfMemory}

// Slot is the address of the first word of a slot.
func Slot(n int) uint64 { return Code + uint64(n)*SlotWords*4 }

// State is what instructions see and change.
type State struct {
	X                    [31]uint64
	SP, NZCV, FPCR, FPSR uint64
	V                    [32][2]uint64 // low half, high half
	Memory               [MemorySize]byte
}

// Case is what to execute: instructions, and the state before them. Zero ends
// the instructions.
type Case struct {
	Code [MaxCode]uint32
	State
}

// Result is what came of it.
type Result struct {
	Signal  int    // 0: none
	Exit    int    // word of the slot that was reached, without a signal
	PC      uint64 // of the instruction that made the signal
	Address uint64 // that the signal is about
	State
}

// appendState appends all of a record but its first 16 bytes.
func (s *State) append(b []byte, pc uint64) []byte {
	for _, x := range s.X {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	for _, x := range [...]uint64{s.SP, s.NZCV, s.FPCR, s.FPSR, pc} {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	for _, v := range s.V {
		b = binary.LittleEndian.AppendUint64(b, v[0])
		b = binary.LittleEndian.AppendUint64(b, v[1])
	}
	return append(b, s.Memory[:]...)
}

// append appends a case as a record.
func (c *Case) append(b []byte) []byte {
	for _, word := range c.Code {
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	return c.State.append(b, 0)
}

// read takes a result from a record.
func (r *Result) read(b []byte) {
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	r.Signal, r.Exit = int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))-1 // ways out count from 1
	r.Address, r.PC = u64(8), u64(recordPC)
	for i := range r.X {
		r.X[i] = u64(recordX + 8*i)
	}
	r.SP, r.NZCV, r.FPCR, r.FPSR = u64(recordSP), u64(recordNZCV), u64(recordFPCR), u64(recordFPSR)
	for i := range r.V {
		r.V[i] = [2]uint64{u64(recordV + 16*i), u64(recordV + 16*i + 8)}
	}
	copy(r.Memory[:], b[recordMemory:])
}
