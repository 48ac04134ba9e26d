package amd64

// specialise gives an instruction a faster operation where there is one for its
// operands, by what the general one is.
func specialise(in *inst) {
	if in.entry.fast == fastNone || in.size < 4 {
		return
	}
	switch in.entry.fast {
	case fastFlow:
		specialiseStack(in)
		return
	case fastStack: // 64 bits wide in 64-bit mode only
		if in.size == 8 {
			specialiseStack(in)
		}
		return
	}
	if run := fastOperation(in); run != nil {
		in.run = run
	}
}

// fastKind says which family of fast operations an entry belongs to.
type fastKind uint8

const (
	fastNone fastKind = iota
	fastALUStore
	fastALULoad
	fastALUImmediate
	fastTest
	fastTestImmediate
	fastMoveStore
	fastMoveLoad
	fastMoveConstant
	fastMoveZero
	fastLea
	fastInc
	fastShift
	fastStack
	fastFlow
)

func pick(in *inst, of64, of32 operation) operation {
	if in.size == 8 {
		return of64
	}
	return of32
}

func fastOperation(in *inst) operation {
	op := in.op & 7
	switch in.entry.fast {
	case fastALUStore:
		switch {
		case !in.mem:
			return pick(in, fastALURR64[op], fastALURR32[op])
		case op == aluCmp:
			return pick(in, fastCmpMR64, fastCmpMR32)
		}
	case fastALULoad:
		if in.mem {
			return pick(in, fastALURM64[op], fastALURM32[op])
		}
	case fastALUImmediate:
		switch {
		case !in.mem:
			return pick(in, fastALURI64[op], fastALURI32[op])
		case op == aluCmp:
			return pick(in, fastCmpMI64, fastCmpMI32)
		}
	case fastTest:
		if in.mem {
			return pick(in, fastTestMR64, fastTestMR32)
		}
		return pick(in, fastTestRR64, fastTestRR32)
	case fastTestImmediate:
		if in.mem {
			return pick(in, fastTestMI64, fastTestMI32)
		}
		return pick(in, fastTestRI64, fastTestRI32)
	case fastShift:
		return fastShiftOperation(in)
	case fastInc:
		if !in.mem && in.size == 8 {
			return [2]operation{fastIncrement64, fastDecrement64}[in.op&1]
		}
	default:
		return fastMoveOperation(in)
	}
	return nil
}

func fastMoveOperation(in *inst) operation {
	switch in.entry.fast {
	case fastMoveStore:
		if in.mem {
			return pick(in, fastStore64, fastStore32)
		}
		return pick(in, fastMoveRR64, fastMoveRR32)
	case fastMoveLoad:
		if in.mem {
			return pick(in, fastLoad64, fastLoad32)
		}
		return pick(in, fastMoveLoadRR64, fastMoveLoadRR32)
	case fastMoveConstant:
		if !in.mem {
			in.imm = truncate(in.imm, in.size)
			return fastMoveImmediate
		}
	case fastMoveZero:
		if in.mem {
			return [3]operation{1: fastLoadZero8, 2: fastLoadZero16}[in.op]
		}
	case fastLea:
		return pick(in, fastAddress64, fastAddress32)
	}
	return nil
}

func fastShiftOperation(in *inst) operation {
	mask := uint64(31)
	if in.size == 8 {
		mask = 63
	}
	if in.mem || in.imm&mask == 0 {
		return nil
	}
	switch in.op {
	case shiftROL:
		return pick(in, fastRotateLeft64, fastRotateLeft32)
	case shiftROR:
		return pick(in, fastRotateRight64, fastRotateRight32)
	case shiftSHL, shiftSAL:
		return pick(in, fastShiftLeft64, fastShiftLeft32)
	case shiftSHR:
		return pick(in, fastShiftRight64, fastShiftRight32)
	}
	return nil
}

func specialiseStack(in *inst) {
	jumps := [16]operation{2: fastJB, 3: fastJAE, 4: fastJE, 5: fastJNE, 6: fastJBE, 7: fastJA, 12: fastJL, 13: fastJGE}
	switch in.entry.name {
	case "PUSH":
		in.run = fastPush64
	case "POP":
		in.run = fastPop64
	case "CALL":
		in.run = fastCall64
	case "RET":
		in.run = fastReturn64
	case "Jcc":
		if jumps[in.op] != nil {
			in.run = jumps[in.op]
		}
	}
}
