package amd64

// twoByte are the instructions behind 0F, by mandatory prefix: none, 66, F3,
// F2 (Intel SDM 2D table A-3). What is in the first table is found with any
// prefix that has no entry of its own, unless it is an SSE instruction.
var twoByte = func() (t [4][256]opcode) {
	systemEntries(&t)
	bitEntries(&t[0])
	for i := range uint8(16) {
		t[0][0x40+i] = opcode{name: "CMOVcc", run: operationConditionalMove, op: i, form: modrm}
		t[0][0x80+i] = opcode{name: "Jcc", run: operationJumpIf, op: i, form: relZ, fast: fastFlow}
		t[0][0x90+i] = opcode{name: "SETcc", run: operationConditionalSet, op: i, form: modrm | bytes1}
	}
	for i := range 8 {
		t[0][0x18+i] = opcode{name: "NOP", run: operationNop, form: modrm | xmm} // hints: prefetch, ENDBR64
		t[0][0xc8+i] = opcode{name: "BSWAP", run: operationByteSwap, form: opReg}
	}
	t[0][0x0b] = opcode{name: "UD2", run: operationUndefined, form: last}
	t[0][0xb9] = opcode{name: "UD1", run: operationUndefined, form: modrm | last}
	t[0][0xff] = opcode{name: "UD0", run: operationUndefined, form: modrm | last}
	t[0][0x0d] = opcode{name: "PREFETCHW", run: operationNop, form: modrm | xmm | memOnly}
	t[0][0x77] = opcode{name: "EMMS", run: operationWait, op: 1}
	t[0][0xa2] = opcode{name: "CPUID", run: operationCPUID}
	t[0][0xaf] = opcode{name: "IMUL", run: operationMultiplyTo, op: 0, form: modrm}
	t[0][0xb6] = opcode{name: "MOVZX", run: operationMoveZero, op: 1, form: modrm | rmByte, fast: fastMoveZero}
	t[0][0xb7] = opcode{name: "MOVZX", run: operationMoveZero, op: 2, form: modrm, fast: fastMoveZero}
	t[0][0xbe] = opcode{name: "MOVSX", run: operationMoveSign, op: 1, form: modrm | rmByte}
	t[0][0xbf] = opcode{name: "MOVSX", run: operationMoveSign, op: 2, form: modrm}
	t[0][0xc3] = opcode{name: "MOVNTI", run: operationMoveStore, form: modrm | memOnly}
	t[0][0xa0] = opcode{name: "PUSH segment", run: operationPushSegment, op: segFS, form: wide}
	t[0][0xa1] = opcode{name: "POP segment", run: operationPopSegment, op: segFS, form: wide | last}
	t[0][0xa8] = opcode{name: "PUSH segment", run: operationPushSegment, op: segGS, form: wide}
	t[0][0xa9] = opcode{name: "POP segment", run: operationPopSegment, op: segGS, form: wide | last}
	t[2][0xb8] = opcode{name: "POPCNT", run: operationPopulation, form: modrm}
	vectorEntries(&t)
	return t
}()

func bitEntries(t *[256]opcode) {
	names := [4]string{"BT", "BTS", "BTR", "BTC"}
	var immediate [8]opcode
	for i, at := range []int{0xa3, 0xab, 0xb3, 0xbb} {
		lock := lockable
		if i == bitTest {
			lock = 0
		}
		t[at] = opcode{name: names[i], run: operationBit, op: uint8(i), form: modrm | lock}
		immediate[4+i] = opcode{name: names[i], run: operationBitImmediate, op: uint8(i), form: immU8 | lock}
	}
	t[0xba] = opcode{name: "group 8", form: modrm, group: &immediate}
	t[0xa4] = opcode{name: "SHLD", run: operationShiftDouble, op: 0, form: modrm | immU8}
	t[0xa5] = opcode{name: "SHLD", run: operationShiftDoubleCL, op: 0, form: modrm}
	t[0xac] = opcode{name: "SHRD", run: operationShiftDouble, op: 1, form: modrm | immU8}
	t[0xad] = opcode{name: "SHRD", run: operationShiftDoubleCL, op: 1, form: modrm}
	t[0xb0] = opcode{name: "CMPXCHG", run: operationCompareExchange, form: modrm | bytes1 | lockable}
	t[0xb1] = opcode{name: "CMPXCHG", run: operationCompareExchange, form: modrm | lockable}
	t[0xbc] = opcode{name: "BSF", run: operationScan, op: 0, form: modrm}
	t[0xbd] = opcode{name: "BSR", run: operationScan, op: 1, form: modrm}
	t[0xc0] = opcode{name: "XADD", run: operationExchangeAdd, form: modrm | bytes1 | lockable}
	t[0xc1] = opcode{name: "XADD", run: operationExchangeAdd, form: modrm | lockable}
	t[0xc7] = opcode{name: "group 9", form: modrm, group: &[8]opcode{
		1: {name: "CMPXCHG16B", run: operationCompareExchangeWide, form: memOnly | lockable},
		6: {name: "RDRAND", run: operationUndefined, form: last}, // CPUID has none
		7: {name: "RDSEED", run: operationUndefined, form: last},
	}}
}

func systemEntries(t *[4][256]opcode) {
	n := &t[0]
	n[0x00] = opcode{name: "group 6", form: modrm | xmm, group: &[8]opcode{
		{name: "SLDT", run: operationStoreSelector, op: 0}, {name: "STR", run: operationStoreSelector, op: 1},
		{name: "LLDT", run: operationLoadSelector, op: 0}, {name: "LTR", run: operationLoadSelector, op: 1},
	}}
	n[0x01] = opcode{name: "group 7", form: modrm | xmm, group: &[8]opcode{
		{name: "SGDT", run: operationStoreTable, op: 0}, {name: "SIDT", run: operationStoreTable, op: 1},
		{name: "LGDT", run: operationLoadTable, op: 0}, {name: "LIDT", run: operationLoadTable, op: 1},
		7: {name: "INVLPG", run: operationInvalidatePage, form: last},
	}, other: &[8]opcode{
		1: {name: "CLAC, STAC", run: operationGroup7, op: 1, form: last},
		2: {name: "XGETBV, XSETBV", run: operationGroup7, op: 2, form: last},
		5: {name: "SETSSBSY, RDPKRU, WRPKRU", run: operationGroup7, op: 5, form: last},
		7: {name: "SWAPGS, RDTSCP", run: operationGroup7, op: 7, form: last},
	}}
	n[0x05] = opcode{name: "SYSCALL", run: operationSystemCall, form: last}
	n[0x06] = opcode{name: "CLTS", run: operationClearTaskSwitched}
	n[0x07] = opcode{name: "SYSRET", run: operationSystemReturn, form: last}
	n[0x08] = opcode{name: "INVD", run: operationPrivileged}
	n[0x09] = opcode{name: "WBINVD", run: operationPrivileged}
	n[0x20] = opcode{name: "MOV from CR", run: operationReadControl, form: modrm | xmm}
	n[0x21] = opcode{name: "MOV from DR", run: operationReadDebug, form: modrm | xmm}
	n[0x22] = opcode{name: "MOV to CR", run: operationWriteControl, form: modrm | xmm | last}
	n[0x23] = opcode{name: "MOV to DR", run: operationWriteDebug, form: modrm | xmm | last}
	n[0x30] = opcode{name: "WRMSR", run: operationWriteMSR, form: last}
	n[0x31] = opcode{name: "RDTSC", run: operationReadTime}
	n[0x32] = opcode{name: "RDMSR", run: operationReadMSR}
	n[0xae] = opcode{name: "group 15", form: modrm | xmm, group: &[8]opcode{
		{name: "FXSAVE", run: operationSaveState, op: 0}, {name: "FXRSTOR", run: operationSaveState, op: 1},
		{name: "LDMXCSR", run: operationLoadMXCSR}, {name: "STMXCSR", run: operationStoreMXCSR},
		7: {name: "CLFLUSH", run: operationNop},
	}, other: &[8]opcode{
		5: {name: "LFENCE", run: operationNop}, 6: {name: "MFENCE", run: operationNop}, 7: {name: "SFENCE", run: operationNop},
	}}
	t[2][0x1e] = opcode{name: "group 16", form: modrm | xmm, group: &[8]opcode{
		0: {name: "NOP", run: operationNop}, 1: {name: "RDSSP", run: operationReadShadow}, 2: {name: "NOP", run: operationNop},
		3: {name: "NOP", run: operationNop}, 4: {name: "NOP", run: operationNop}, 5: {name: "NOP", run: operationNop},
		6: {name: "NOP", run: operationNop}, 7: {name: "NOP", run: operationNop}, // ENDBR64: see finish
	}}
	t[2][0xae] = opcode{name: "group 15", form: modrm | xmm, group: &[8]opcode{}, other: &[8]opcode{
		{name: "RDFSBASE", run: operationSegmentBase, op: 0}, {name: "RDGSBASE", run: operationSegmentBase, op: 1},
		{name: "WRFSBASE", run: operationSegmentBase, op: 2}, {name: "WRGSBASE", run: operationSegmentBase, op: 3},
		5: {name: "INCSSP", run: operationIncrementShadow},
	}}
}

// operationGroup7 are the instructions of 0F 01 that ModRM.rm goes on with.
func operationGroup7(c *CPU, in *inst) bool {
	sub := *in
	var run operation
	switch in.op<<4 | in.rm&7 {
	case 0x12:
		run, sub.op = operationAccessFlag, 0
	case 0x13:
		run, sub.op = operationAccessFlag, 1
	case 0x20:
		run, sub.op = operationExtendedControl, 0
	case 0x21:
		run, sub.op = operationExtendedControl, 1
	case 0x50:
		if in.repeat != 0xf3 {
			return operationMissing(c, in)
		}
		run = operationSetShadowBusy
	case 0x56:
		run, sub.op = operationProtectionKeys, 0
	case 0x57:
		run, sub.op = operationProtectionKeys, 1
	case 0x70:
		run = operationSwapGS
	case 0x71:
		run, sub.op = operationReadTime, 1
	default:
		return operationMissing(c, in)
	}
	return run(c, &sub) && c.end(in)
}
