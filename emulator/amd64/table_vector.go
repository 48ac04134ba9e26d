package amd64

// Entries of SSE instructions, by mandatory prefix.
const (
	prefixNone = iota
	prefix66
	prefixF3
	prefixF2
)

const sse = modrm | xmm | sseState

// vectorEntries are SSE to SSE3 in the two-byte map.
func vectorEntries(t *[4][256]opcode) {
	vectorMoves(t)
	packedIntegers(&t[prefix66])
	packedShifts(&t[prefix66])
	floatEntries(t)
	convertEntries(t)
}

func vectorMoves(t *[4][256]opcode) {
	for _, p := range []int{prefixNone, prefix66} {
		t[p][0x10] = opcode{name: "MOVUPS", run: operationVectorLoad, form: sse}
		t[p][0x11] = opcode{name: "MOVUPS", run: operationVectorStore, form: sse}
		t[p][0x28] = opcode{name: "MOVAPS", run: operationVectorLoad, op: 1, form: sse}
		t[p][0x29] = opcode{name: "MOVAPS", run: operationVectorStore, op: 1, form: sse}
		t[p][0x2b] = opcode{name: "MOVNTPS", run: operationVectorStore, op: 1, form: sse | memOnly}
		memory := form(0)
		if p == prefix66 {
			memory = memOnly
		}
		t[p][0x12] = opcode{name: "MOVLPS", run: operationHalfLoad, op: 0, form: sse | memory}
		t[p][0x13] = opcode{name: "MOVLPS", run: operationHalfStore, op: 0, form: sse | memOnly}
		t[p][0x16] = opcode{name: "MOVHPS", run: operationHalfLoad, op: 1, form: sse | memory}
		t[p][0x17] = opcode{name: "MOVHPS", run: operationHalfStore, op: 1, form: sse | memOnly}
		t[p][0x50] = opcode{name: "MOVMSKPS", run: operationMask, op: uint8(4 + 4*p), form: sse | regOnly}
	}
	for p, size := range map[int]uint8{prefixF3: 4, prefixF2: 8} {
		t[p][0x10] = opcode{name: "MOVSS", run: operationScalarLoad, op: size, form: sse}
		t[p][0x11] = opcode{name: "MOVSS", run: operationScalarStore, op: size, form: sse}
	}
	for p, op := range map[int]uint8{prefix66: 1, prefixF3: 0} {
		t[p][0x6f] = opcode{name: "MOVDQU", run: operationVectorLoad, op: op, form: sse}
		t[p][0x7f] = opcode{name: "MOVDQU", run: operationVectorStore, op: op, form: sse}
	}
	t[prefixF2][0xf0] = opcode{name: "LDDQU", run: operationVectorLoad, form: sse | memOnly}
	t[prefix66][0x6e] = opcode{name: "MOVD", run: operationFromGeneral, form: sse}
	t[prefix66][0x7e] = opcode{name: "MOVD", run: operationToGeneral, form: sse}
	t[prefixF3][0x7e] = opcode{name: "MOVQ", run: operationQuadLoad, form: sse}
	t[prefix66][0xd6] = opcode{name: "MOVQ", run: operationQuadStore, form: sse}
	t[prefix66][0xd7] = opcode{name: "PMOVMSKB", run: operationMask, op: 1, form: sse | regOnly}
	t[prefix66][0xe7] = opcode{name: "MOVNTDQ", run: operationVectorStore, op: 1, form: sse | memOnly}
	t[prefix66][0xc4] = opcode{name: "PINSRW", run: operationInsert, op: 2, form: sse | immU8}
	t[prefix66][0xc5] = opcode{name: "PEXTRW", run: operationExtractWord, form: sse | immU8 | regOnly}
	t[prefixF2][0x12] = opcode{name: "MOVDDUP", run: operationPackedPart, op: 8, form: sse, pack: func(_, b vector) vector { return vector{b[0], b[0]} }}
	t[prefixF3][0x12] = opcode{name: "MOVSLDUP", run: operationPacked, form: sse, pack: func(_, b vector) vector { return shuffleDoublewords(b, b, 0xa0) }}
	t[prefixF3][0x16] = opcode{name: "MOVSHDUP", run: operationPacked, form: sse, pack: func(_, b vector) vector { return shuffleDoublewords(b, b, 0xf5) }}
}

// packedTable is a list of packed operations by opcode.
type packedTable map[uint8]struct {
	name string
	pack func(a, b vector) vector
}

func (p packedTable) into(t *[256]opcode) {
	for at, e := range p {
		t[at] = opcode{name: e.name, run: operationPacked, form: sse, pack: e.pack}
	}
}

func packedIntegers(t *[256]opcode) {
	for i, size := range []int{1, 2, 4} {
		o := uint8(i)
		packedTable{
			0x60 + o: {"PUNPCKL", unpack(size, 0)}, 0x68 + o: {"PUNPCKH", unpack(size, 1)},
			0x64 + o: {"PCMPGT", eachSigned(size, func(a, b int64) int64 { return int64(ones(a > b)) })},
			0x74 + o: {"PCMPEQ", each(size, func(a, b uint64) uint64 { return ones(a == b) })},
			0xf8 + o: {"PSUB", each(size, func(a, b uint64) uint64 { return a - b })},
			0xfc + o: {"PADD", each(size, func(a, b uint64) uint64 { return a + b })},
		}.into(t)
	}
	for i, size := range []int{1, 2} {
		o := uint8(i)
		packedTable{
			0xe8 + o: {"PSUBS", eachSigned(size, func(a, b int64) int64 { return clampSigned(size, a-b) })},
			0xec + o: {"PADDS", eachSigned(size, func(a, b int64) int64 { return clampSigned(size, a+b) })},
			0xdc + o: {"PADDUS", each(size, func(a, b uint64) uint64 { return uint64(clampUnsigned(size, int64(a+b))) })},
		}.into(t)
		packedTable{0xd8 + o: {"PSUBUS", each(size, func(a, b uint64) uint64 { return uint64(clampUnsigned(size, int64(a)-int64(b))) })}}.into(t)
	}
	logicEntries(t)
	average := func(a, b uint64) uint64 { return (a + b + 1) >> 1 }
	packedTable{
		0x6c: {"PUNPCKLQDQ", unpack(8, 0)}, 0x6d: {"PUNPCKHQDQ", unpack(8, 1)},
		0x63: {"PACKSSWB", pack(2, clampSigned)}, 0x6b: {"PACKSSDW", pack(4, clampSigned)}, 0x67: {"PACKUSWB", pack(2, clampUnsigned)},
		0xd4: {"PADDQ", each(8, func(a, b uint64) uint64 { return a + b })}, 0xfb: {"PSUBQ", each(8, func(a, b uint64) uint64 { return a - b })},
		0xd5: {"PMULLW", each(2, func(a, b uint64) uint64 { return a * b })},
		0xe5: {"PMULHW", eachSigned(2, func(a, b int64) int64 { return a * b >> 16 })},
		0xe4: {"PMULHUW", each(2, func(a, b uint64) uint64 { return a * b >> 16 })},
		0xf4: {"PMULUDQ", each(8, func(a, b uint64) uint64 { return a & 0xffffffff * (b & 0xffffffff) })},
		0xf5: {"PMADDWD", multiplyAdd}, 0xf6: {"PSADBW", sumDifferences},
		0xda: {"PMINUB", each(1, func(a, b uint64) uint64 { return min(a, b) })}, 0xde: {"PMAXUB", each(1, func(a, b uint64) uint64 { return max(a, b) })},
		0xea: {"PMINSW", eachSigned(2, func(a, b int64) int64 { return min(a, b) })}, 0xee: {"PMAXSW", eachSigned(2, func(a, b int64) int64 { return max(a, b) })},
		0xe0: {"PAVGB", each(1, average)}, 0xe3: {"PAVGW", each(2, average)},
	}.into(t)
}

// logicEntries are the bitwise operations, and what replaces a slower one.
func logicEntries(t *[256]opcode) {
	packedTable{
		0xfe: {"PADD", addDoublewords},
		0xdb: {"PAND", and}, 0xdf: {"PANDN", andNot}, 0xeb: {"POR", or}, 0xef: {"PXOR", xor},
	}.into(t)
}

// addDoublewords is PADDD, which hashes need fast.
func addDoublewords(a, b vector) vector {
	return vector{uint64(uint32(a[0]+b[0])) | (a[0]>>32+b[0]>>32)<<32, uint64(uint32(a[1]+b[1])) | (a[1]>>32+b[1]>>32)<<32}
}

func and(a, b vector) vector    { return vector{a[0] & b[0], a[1] & b[1]} }
func andNot(a, b vector) vector { return vector{^a[0] & b[0], ^a[1] & b[1]} }
func or(a, b vector) vector     { return vector{a[0] | b[0], a[1] | b[1]} }
func xor(a, b vector) vector    { return vector{a[0] ^ b[0], a[1] ^ b[1]} }

func packedShifts(t *[256]opcode) {
	var groups [3][8]opcode
	kinds := [3]struct {
		name     string
		at       uint8 // the opcode for words by a register
		field, k int   // ModRM.reg of the form with an immediate
	}{{"PSLL", 0xf1, 6, 0}, {"PSRL", 0xd1, 2, 1}, {"PSRA", 0xe1, 4, 2}}
	for _, kind := range kinds {
		for i, size := range []int{2, 4, 8} {
			if kind.k == 2 && size == 8 {
				continue
			}
			shift := shiftBy(size, kind.k)
			t[kind.at+uint8(i)] = opcode{name: kind.name, run: operationPacked, form: sse, pack: func(a, b vector) vector { return shift(a, b[0]) }}
			groups[i][kind.field] = opcode{name: kind.name, run: operationPackedShift, form: sse | regOnly | immU8,
				pick: func(_, b vector, n uint8) vector { return shift(b, uint64(n)) }}
		}
	}
	groups[2][3] = opcode{name: "PSRLDQ", run: operationPackedShift, form: sse | regOnly | immU8, pick: bytesRight}
	groups[2][7] = opcode{name: "PSLLDQ", run: operationPackedShift, form: sse | regOnly | immU8, pick: bytesLeft}
	for i := range groups {
		t[0x71+i] = opcode{name: "shift group", form: sse, group: &groups[i]}
	}
}

func floatEntries(t *[4][256]opcode) {
	names := map[uint8]string{floatSqrt: "SQRT", floatAdd: "ADD", floatMul: "MUL", floatSub: "SUB", floatMin: "MIN", floatDiv: "DIV", floatMax: "MAX"}
	for op, name := range names {
		t[prefixNone][0x50+op] = opcode{name: name + "PS", run: operationPackedFloat, form: sse, pack: packedFloat(4, op)}
		t[prefix66][0x50+op] = opcode{name: name + "PD", run: operationPackedFloat, form: sse, pack: packedFloat(8, op)}
		t[prefixF3][0x50+op] = opcode{name: name + "SS", run: operationScalarFloat, op: op, form: sse}
		t[prefixF2][0x50+op] = opcode{name: name + "SD", run: operationScalarFloat, op: op, form: sse}
	}
	for p, size := range map[int]int{prefixNone: 4, prefix66: 8} {
		packedTable{
			0x54: {"ANDPS", and}, 0x55: {"ANDNPS", andNot}, 0x56: {"ORPS", or}, 0x57: {"XORPS", xor},
			0x14: {"UNPCKLPS", unpack(size, 0)}, 0x15: {"UNPCKHPS", unpack(size, 1)},
		}.into(&t[p])
		t[p][0x2e] = opcode{name: "UCOMIS", run: operationFloatCompare, op: uint8(size), form: sse}
		t[p][0x2f] = opcode{name: "COMIS", run: operationFloatCompare, op: uint8(size), form: sse}
		t[p][0xc2] = opcode{name: "CMPPS", run: operationPackedFloatImmediate, form: sse | immU8, pick: packedCompare(size)}
	}
	for _, p := range []int{prefixF3, prefixF2} {
		t[p][0xc2] = opcode{name: "CMPSS", run: operationScalarCompare, form: sse | immU8}
	}
	t[prefixNone][0xc6] = opcode{name: "SHUFPS", run: operationPackedImmediate, form: sse | immU8, pick: shuffleSingles}
	t[prefix66][0xc6] = opcode{name: "SHUFPD", run: operationPackedImmediate, form: sse | immU8, pick: shuffleDoubles}
	t[prefix66][0x70] = opcode{name: "PSHUFD", run: operationPackedImmediate, form: sse | immU8, pick: shuffleDoublewords}
	t[prefixF3][0x70] = opcode{name: "PSHUFHW", run: operationPackedImmediate, form: sse | immU8, pick: shuffleWords(1)}
	t[prefixF2][0x70] = opcode{name: "PSHUFLW", run: operationPackedImmediate, form: sse | immU8, pick: shuffleWords(0)}
}

func convertEntries(t *[4][256]opcode) {
	for _, p := range []int{prefixF3, prefixF2} {
		t[p][0x2a] = opcode{name: "CVTSI2SD", run: operationFromInteger, form: sse}
		t[p][0x2c] = opcode{name: "CVTTSD2SI", run: operationToInteger, op: 1, form: sse}
		t[p][0x2d] = opcode{name: "CVTSD2SI", run: operationToInteger, op: 0, form: sse}
		t[p][0x5a] = opcode{name: "CVTSD2SS", run: operationConvertScalar, form: sse}
	}
	t[prefixNone][0x5a] = opcode{name: "CVTPS2PD", run: operationConvertHalf, form: sse, pack: singlesToDoubles}
	t[prefix66][0x5a] = opcode{name: "CVTPD2PS", run: operationPackedFloat, form: sse, pack: doublesToSingles}
	t[prefixNone][0x5b] = opcode{name: "CVTDQ2PS", run: operationPackedFloat, form: sse, pack: integersToSingles}
	t[prefix66][0x5b] = opcode{name: "CVTPS2DQ", run: operationPackedFloat, form: sse, pack: singlesToIntegers(false)}
	t[prefixF3][0x5b] = opcode{name: "CVTTPS2DQ", run: operationPackedFloat, form: sse, pack: singlesToIntegers(true)}
	t[prefix66][0xe6] = opcode{name: "CVTTPD2DQ", run: operationPackedFloat, form: sse, pack: doublesToIntegers(true)}
	t[prefixF2][0xe6] = opcode{name: "CVTPD2DQ", run: operationPackedFloat, form: sse, pack: doublesToIntegers(false)}
	t[prefixF3][0xe6] = opcode{name: "CVTDQ2PD", run: operationConvertHalf, form: sse, pack: integersToDoubles}
}
