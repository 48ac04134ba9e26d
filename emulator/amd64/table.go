package amd64

var (
	entryNop   = opcode{name: "NOP", run: operationNop}
	entryPause = opcode{name: "PAUSE", run: operationPause, form: last}
)

// oneByte are the instructions of one opcode byte (Intel SDM 2D table A-2).
var oneByte = func() (t [256]opcode) {
	arithmeticEntries(&t)
	stackEntries(&t)
	moveEntries(&t)
	stringEntries(&t)
	branchEntries(&t)
	groupEntries(&t)
	for i := range uint8(8) {
		t[0xd8+i] = opcode{name: "x87", run: operationX87, op: i, form: modrm | xmm}
	}
	t[0x9b] = opcode{name: "FWAIT", run: operationWait}
	t[0xf5] = opcode{name: "CMC", run: operationCarry, op: 2}
	t[0xf8] = opcode{name: "CLC", run: operationCarry, op: 0}
	t[0xf9] = opcode{name: "STC", run: operationCarry, op: 1}
	t[0xfa] = opcode{name: "CLI", run: operationInterruptFlag, op: 0}
	t[0xfb] = opcode{name: "STI", run: operationInterruptFlag, op: 1, form: last}
	t[0xfc] = opcode{name: "CLD", run: operationDirection, op: 0}
	t[0xfd] = opcode{name: "STD", run: operationDirection, op: 1}
	t[0xf4] = opcode{name: "HLT", run: operationHalt, form: last}
	return t
}()

var arithmeticNames = [8]string{"ADD", "OR", "ADC", "SBB", "AND", "SUB", "XOR", "CMP"}

func arithmeticEntries(t *[256]opcode) {
	for i, name := range arithmeticNames {
		op, at := uint8(i), 8*i
		lock := lockable
		if op == aluCmp {
			lock = 0
		}
		t[at+0] = opcode{name: name, run: operationALUStore, op: op, form: modrm | bytes1 | lock}
		t[at+1] = opcode{name: name, run: operationALUStore, op: op, form: modrm | lock, fast: fastALUStore}
		t[at+2] = opcode{name: name, run: operationALULoad, op: op, form: modrm | bytes1}
		t[at+3] = opcode{name: name, run: operationALULoad, op: op, form: modrm, fast: fastALULoad}
		t[at+4] = opcode{name: name, run: operationALUAccumulator, op: op, form: bytes1 | immU8}
		t[at+5] = opcode{name: name, run: operationALUAccumulator, op: op, form: immZ}
	}
	t[0x69] = opcode{name: "IMUL", run: operationMultiplyTo, op: 1, form: modrm | immZ}
	t[0x6b] = opcode{name: "IMUL", run: operationMultiplyTo, op: 1, form: modrm | imm8}
	t[0x84] = opcode{name: "TEST", run: operationTest, form: modrm | bytes1}
	t[0x85] = opcode{name: "TEST", run: operationTest, form: modrm, fast: fastTest}
	t[0xa8] = opcode{name: "TEST", run: operationTestAccumulator, form: bytes1 | immU8}
	t[0xa9] = opcode{name: "TEST", run: operationTestAccumulator, form: immZ}
	for i := range 8 { // REX in 64-bit mode, where they are never looked up
		t[0x40+i] = opcode{name: "INC", run: operationIncrement, op: 0, form: opReg | legacy}
		t[0x48+i] = opcode{name: "DEC", run: operationIncrement, op: 1, form: opReg | legacy}
	}
}

func stackEntries(t *[256]opcode) {
	for i := range 8 {
		t[0x50+i] = opcode{name: "PUSH", run: operationPush, form: opReg | wide, fast: fastStack}
		t[0x58+i] = opcode{name: "POP", run: operationPop, form: opReg | wide, fast: fastStack}
	}
	for i, at := range []int{0x06, 0x0e, 0x16, 0x1e} {
		t[at] = opcode{name: "PUSH segment", run: operationPushSegment, op: uint8(i), form: legacy}
		if i != segCS {
			t[at+1] = opcode{name: "POP segment", run: operationPopSegment, op: uint8(i), form: legacy | last}
		}
	}
	t[0x68] = opcode{name: "PUSH", run: operationPushImmediate, form: immZ | wide}
	t[0x6a] = opcode{name: "PUSH", run: operationPushImmediate, form: imm8 | wide}
	t[0x8f] = opcode{name: "POP", run: operationPopMemory, form: modrm | wide}
	t[0x9c] = opcode{name: "PUSHF", run: operationPushFlags, form: wide}
	t[0x9d] = opcode{name: "POPF", run: operationPopFlags, form: wide | last}
	t[0xc8] = opcode{name: "ENTER", run: operationEnter, form: imm16 | enterLevel | wide}
	t[0xc9] = opcode{name: "LEAVE", run: operationLeave, form: wide}
}

func moveEntries(t *[256]opcode) {
	t[0x63] = opcode{name: "MOVSXD", run: operationMoveSign, op: 4, form: modrm}
	t[0x86] = opcode{name: "XCHG", run: operationExchange, form: modrm | bytes1 | lockable}
	t[0x87] = opcode{name: "XCHG", run: operationExchange, form: modrm | lockable}
	t[0x88] = opcode{name: "MOV", run: operationMoveStore, form: modrm | bytes1}
	t[0x89] = opcode{name: "MOV", run: operationMoveStore, form: modrm, fast: fastMoveStore}
	t[0x8a] = opcode{name: "MOV", run: operationMoveLoad, form: modrm | bytes1}
	t[0x8b] = opcode{name: "MOV", run: operationMoveLoad, form: modrm, fast: fastMoveLoad}
	t[0x8c] = opcode{name: "MOV from segment", run: operationMoveFromSegment, form: modrm | xmm}
	t[0x8d] = opcode{name: "LEA", run: operationLoadAddress, form: modrm | memOnly, fast: fastLea}
	t[0x8e] = opcode{name: "MOV to segment", run: operationMoveToSegment, form: modrm | xmm | last}
	for i := range 8 {
		t[0x90+i] = opcode{name: "XCHG", run: operationExchangeAccumulator, form: opReg}
		t[0xb0+i] = opcode{name: "MOV", run: operationMoveImmediate, form: opReg | bytes1 | immU8}
		t[0xb8+i] = opcode{name: "MOV", run: operationMoveImmediate, form: opReg | immV, fast: fastMoveConstant}
	}
	t[0x98] = opcode{name: "CBW", run: operationWidenAccumulator}
	t[0x99] = opcode{name: "CWD", run: operationWidenToD}
	t[0x9e] = opcode{name: "SAHF", run: operationStoreFlags}
	t[0x9f] = opcode{name: "LAHF", run: operationLoadFlags}
	for i := range 4 {
		f := offset
		if i&1 == 0 {
			f |= bytes1
		}
		t[0xa0+i] = opcode{name: "MOV", run: operationMoveOffset, op: uint8(i / 2), form: f}
	}
	t[0xd7] = opcode{name: "XLAT", run: operationTranslate, form: fromSource}
	for at, size := range map[int]form{0xe4: bytes1, 0xe5: 0} {
		t[at] = opcode{name: "IN", run: operationIn, op: 1, form: immU8 | size | last}
		t[at+2] = opcode{name: "OUT", run: operationOut, op: 1, form: immU8 | size | last}
		t[at+8] = opcode{name: "IN", run: operationIn, form: size | last}
		t[at+10] = opcode{name: "OUT", run: operationOut, form: size | last}
	}
}

func stringEntries(t *[256]opcode) {
	for at, e := range map[int]opcode{
		0x6c: {name: "INS", run: operationInputString, form: last},
		0x6e: {name: "OUTS", run: operationOutputString, form: last | fromSource},
		0xa4: {name: "MOVS", run: operationMoveString, form: fromSource},
		0xa6: {name: "CMPS", run: operationCompareString, form: fromSource},
		0xaa: {name: "STOS", run: operationStoreString},
		0xac: {name: "LODS", run: operationLoadString, form: fromSource},
		0xae: {name: "SCAS", run: operationScanString},
	} {
		t[at+1] = e
		e.form |= bytes1
		t[at] = e
	}
}

func branchEntries(t *[256]opcode) {
	for i := range uint8(16) {
		t[0x70+i] = opcode{name: "Jcc", run: operationJumpIf, op: i, form: rel8, fast: fastFlow}
	}
	for i := range uint8(4) {
		t[0xe0+i] = opcode{name: [4]string{"LOOPNE", "LOOPE", "LOOP", "JRCXZ"}[i], run: operationLoop, op: i, form: rel8}
	}
	t[0xc2] = opcode{name: "RET", run: operationReturn, form: imm16 | wide | last}
	t[0xc3] = opcode{name: "RET", run: operationReturn, form: wide | last, fast: fastStack}
	t[0xca] = opcode{name: "RETF", run: operationFarReturn, form: imm16 | last}
	t[0xcb] = opcode{name: "RETF", run: operationFarReturn, form: last}
	t[0xcc] = opcode{name: "INT3", run: operationTrap, op: 3, form: last}
	t[0xcd] = opcode{name: "INT", run: operationInterrupt, form: immU8 | last}
	t[0xcf] = opcode{name: "IRET", run: operationInterruptReturn, form: last}
	t[0xe8] = opcode{name: "CALL", run: operationCall, form: relZ | wide | last, fast: fastStack}
	t[0xe9] = opcode{name: "JMP", run: operationJump, form: relZ | last}
	t[0xea] = opcode{name: "JMP far", run: operationFarPointer, form: farPtr | legacy | last}
	t[0xeb] = opcode{name: "JMP", run: operationJump, form: rel8 | last}
	t[0xf1] = opcode{name: "INT1", run: operationTrap, op: 1, form: last}
}

// groupEntries are the opcodes that ModRM.reg goes on with (Intel SDM 2D table
//
func groupEntries(t *[256]opcode) {
	var immediate, immediateSigned, shiftImmediate, shiftOne, shiftCL [8]opcode
	shiftNames := [8]string{"ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "SAL", "SAR"}
	for i := range 8 {
		lock := lockable
		if i == aluCmp {
			lock = 0
		}
		op := uint8(i)
		immediate[i] = opcode{name: arithmeticNames[i], run: operationALUImmediate, op: op, form: immZ | lock, fast: fastALUImmediate}
		immediateSigned[i] = opcode{name: arithmeticNames[i], run: operationALUImmediate, op: op, form: imm8 | lock, fast: fastALUImmediate}
		shiftImmediate[i] = opcode{name: shiftNames[i], run: operationShiftImmediate, op: op, form: immU8, fast: fastShift}
		shiftOne[i] = opcode{name: shiftNames[i], run: operationShiftOne, op: op}
		shiftCL[i] = opcode{name: shiftNames[i], run: operationShiftCL, op: op}
	}
	pair := func(at int, name string, g [8]opcode) {
		t[at] = opcode{name: name, form: modrm | bytes1, group: &g}
		t[at+1] = opcode{name: name, form: modrm, group: &g}
	}
	pair(0x80, "group 1", immediate)
	older := immediateSigned
	for i := range older {
		older[i].form |= legacy
	}
	t[0x82] = opcode{name: "group 1", form: modrm | bytes1, group: &older}
	t[0x83] = opcode{name: "group 1", form: modrm, group: &immediateSigned}
	pair(0xc0, "group 2", shiftImmediate)
	pair(0xd0, "group 2", shiftOne)
	pair(0xd2, "group 2", shiftCL)
	pair(0xc6, "group 11", [8]opcode{{name: "MOV", run: operationMoveImmediate, form: immZ, fast: fastMoveConstant}})
	unary := [8]opcode{
		{name: "TEST", run: operationTestImmediate, form: immZ, fast: fastTestImmediate}, {name: "TEST", run: operationTestImmediate, form: immZ, fast: fastTestImmediate},
		{name: "NOT", run: operationNot, form: lockable}, {name: "NEG", run: operationNegate, form: lockable},
		{name: "MUL", run: operationMultiply, op: 0}, {name: "IMUL", run: operationMultiply, op: 1},
		{name: "DIV", run: operationDivide, op: 0}, {name: "IDIV", run: operationDivide, op: 1},
	}
	pair(0xf6, "group 3", unary)
	increment := opcode{name: "INC", run: operationIncrement, op: 0, form: lockable, fast: fastInc}
	decrement := opcode{name: "DEC", run: operationIncrement, op: 1, form: lockable, fast: fastInc}
	t[0xfe] = opcode{name: "group 4", form: modrm | bytes1, group: &[8]opcode{increment, decrement}}
	t[0xff] = opcode{name: "group 5", form: modrm, group: &[8]opcode{
		increment, decrement,
		{name: "CALL", run: operationCallIndirect, form: wide | last}, {},
		{name: "JMP", run: operationJumpIndirect, form: wide | last},
		{name: "JMP far", run: operationFarIndirect, form: memOnly | last},
		{name: "PUSH", run: operationPushMemory, form: wide},
	}}
}
