package amd64

// threeByte38 are the instructions behind 0F 38: SSSE3, SSE4.1, SSE4.2's CRC32,
// SHA.
var threeByte38 = func() (t [4][256]opcode) {
	p := &t[prefix66]
	plus := func(a, b int64) int64 { return a + b }
	minus := func(a, b int64) int64 { return a - b }
	packedTable{
		0x00: {"PSHUFB", shuffleBytes}, 0x04: {"PMADDUBSW", multiplyAddBytes},
		0x01: {"PHADDW", horizontal(2, plus)}, 0x02: {"PHADDD", horizontal(4, plus)},
		0x03: {"PHADDSW", horizontal(2, func(a, b int64) int64 { return clampSigned(2, a+b) })},
		0x05: {"PHSUBW", horizontal(2, minus)}, 0x06: {"PHSUBD", horizontal(4, minus)},
		0x07: {"PHSUBSW", horizontal(2, func(a, b int64) int64 { return clampSigned(2, a-b) })},
		0x0b: {"PMULHRSW", eachSigned(2, func(a, b int64) int64 { return (a*b>>14 + 1) >> 1 })},
		0x28: {"PMULDQ", each(8, func(a, b uint64) uint64 { return extend(a, 4) * extend(b, 4) })},
		0x29: {"PCMPEQQ", each(8, func(a, b uint64) uint64 { return ones(a == b) })},
		0x37: {"PCMPGTQ", eachSigned(8, func(a, b int64) int64 { return int64(ones(a > b)) })},
		0x2b: {"PACKUSDW", pack(4, clampUnsigned)},
		0x38: {"PMINSB", eachSigned(1, func(a, b int64) int64 { return min(a, b) })}, 0x3c: {"PMAXSB", eachSigned(1, func(a, b int64) int64 { return max(a, b) })},
		0x39: {"PMINSD", eachSigned(4, func(a, b int64) int64 { return min(a, b) })}, 0x3d: {"PMAXSD", eachSigned(4, func(a, b int64) int64 { return max(a, b) })},
		0x3a: {"PMINUW", each(2, func(a, b uint64) uint64 { return min(a, b) })}, 0x3e: {"PMAXUW", each(2, func(a, b uint64) uint64 { return max(a, b) })},
		0x3b: {"PMINUD", each(4, func(a, b uint64) uint64 { return min(a, b) })}, 0x3f: {"PMAXUD", each(4, func(a, b uint64) uint64 { return max(a, b) })},
		0x41: {"PHMINPOSUW", minimumPosition},
		0x40: {"PMULLD", each(4, func(a, b uint64) uint64 { return a * b })},
	}.into(p)
	for i, size := range []int{1, 2, 4} {
		o := uint8(i)
		packedTable{
			0x08 + o: {"PSIGN", eachSigned(size, signOf)},
			0x1c + o: {"PABS", eachSigned(size, func(_, b int64) int64 { return max(b, -b) })},
		}.into(p)
	}
	widenEntries(p)
	p[0x10] = opcode{name: "PBLENDVB", run: operationBlendVariable, op: 1, form: sse}
	p[0x14] = opcode{name: "BLENDVPS", run: operationBlendVariable, op: 4, form: sse}
	p[0x15] = opcode{name: "BLENDVPD", run: operationBlendVariable, op: 8, form: sse}
	p[0x17] = opcode{name: "PTEST", run: operationVectorTest, form: sse}
	t[prefixNone][0xf6] = opcode{name: "WRSS", run: operationWriteShadow, form: modrm | memOnly}
	p[0x82] = opcode{name: "INVPCID", run: operationInvalidateContext, form: modrm | memOnly | last}
	p[0x2a] = opcode{name: "MOVNTDQA", run: operationVectorLoad, op: 1, form: sse | memOnly}
	n := &t[prefixNone]
	packedTable{
		0xc8: {"SHA1NEXTE", sha1NextE}, 0xc9: {"SHA1MSG1", sha1Message1}, 0xca: {"SHA1MSG2", sha1Message2},
		0xcc: {"SHA256MSG1", sha256Message1}, 0xcd: {"SHA256MSG2", sha256Message2},
	}.into(n)
	n[0xcb] = opcode{name: "SHA256RNDS2", run: operationSHA256Rounds, form: sse}
	t[prefixF2][0xf0] = opcode{name: "CRC32", run: operationCRC32, op: 1, form: modrm | rmByte}
	t[prefixF2][0xf1] = opcode{name: "CRC32", run: operationCRC32, form: modrm}
	return t
}()

func signOf(a, b int64) int64 {
	switch {
	case b < 0:
		return -a
	case b == 0:
		return 0
	}
	return a
}

// widenEntries are PMOVSX and PMOVZX.
func widenEntries(p *[256]opcode) {
	for i, w := range [][2]int{{1, 2}, {1, 4}, {1, 8}, {2, 4}, {2, 8}, {4, 8}} {
		read := uint8(16 / w[1] * w[0])
		p[0x20+i] = opcode{name: "PMOVSX", run: operationPackedPart, op: read, form: sse, pack: widen(w[0], w[1], true)}
		p[0x30+i] = opcode{name: "PMOVZX", run: operationPackedPart, op: read, form: sse, pack: widen(w[0], w[1], false)}
	}
}

// threeByte3A are the instructions behind 0F 3A.
var threeByte3A = func() (t [4][256]opcode) {
	p := &t[prefix66]
	immediate := func(at uint8, name string, pick func(a, b vector, imm uint8) vector) {
		p[at] = opcode{name: name, run: operationPackedImmediate, form: sse | immU8, pick: pick}
	}
	immediate(0x0f, "PALIGNR", align)
	immediate(0x0c, "BLENDPS", blend(4))
	immediate(0x0d, "BLENDPD", blend(8))
	immediate(0x0e, "PBLENDW", blend(2))
	immediate(0x42, "MPSADBW", blockDifferences)
	p[0x21] = opcode{name: "INSERTPS", run: operationInsertSingle, form: sse | immU8}
	p[0x40] = opcode{name: "DPPS", run: operationPackedFloatImmediate, form: sse | immU8, pick: dotProduct(4)}
	p[0x41] = opcode{name: "DPPD", run: operationPackedFloatImmediate, form: sse | immU8, pick: dotProduct(8)}
	p[0x08] = opcode{name: "ROUNDPS", run: operationPackedFloatImmediate, form: sse | immU8, pick: packedRound(4)}
	p[0x09] = opcode{name: "ROUNDPD", run: operationPackedFloatImmediate, form: sse | immU8, pick: packedRound(8)}
	p[0x0a] = opcode{name: "ROUNDSS", run: operationRound, op: 4, form: sse | immU8}
	p[0x0b] = opcode{name: "ROUNDSD", run: operationRound, op: 8, form: sse | immU8}
	for at, size := range map[uint8]uint8{0x14: 1, 0x15: 2, 0x16: 4} {
		p[at] = opcode{name: "PEXTR", run: operationExtract, op: size, form: sse | immU8}
	}
	p[0x17] = opcode{name: "EXTRACTPS", run: operationExtract, op: extractSingle, form: sse | immU8}
	p[0x20] = opcode{name: "PINSRB", run: operationInsert, op: 1, form: sse | immU8}
	p[0x22] = opcode{name: "PINSRD", run: operationInsert, op: 4, form: sse | immU8}
	for i, name := range [4]string{"PCMPESTRM", "PCMPESTRI", "PCMPISTRM", "PCMPISTRI"} {
		p[0x60+i] = opcode{name: name, run: operationCompareText, op: uint8(i), form: sse | immU8}
	}
	t[prefixNone][0xcc] = opcode{name: "SHA1RNDS4", run: operationPackedImmediate, form: sse | immU8, pick: sha1Rounds}
	return t
}()
