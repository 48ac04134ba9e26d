package arm64

import "math/bits"

// The cryptographic extension (DDI 0487 C4.1.96: Cryptographic AES, SHA).

func cryptoOpcodes() []opcode {
	all := []opcode{
		{name: "AESE", pattern: "01001110 00101000 010010nn nnnddddd", needs: featureAES, run: operationAESE},
		{name: "AESD", pattern: "01001110 00101000 010110nn nnnddddd", needs: featureAES, run: operationAESD},
		{name: "AESMC", pattern: "01001110 00101000 011010nn nnnddddd", needs: featureAES, run: operationAESMC},
		{name: "AESIMC", pattern: "01001110 00101000 011110nn nnnddddd", needs: featureAES, run: operationAESIMC},
		{name: "SHA1C", pattern: "01011110 000mmmmm 000000nn nnnddddd", needs: featureSHA1, run: sha1Rounds(shaChoose)},
		{name: "SHA1P", pattern: "01011110 000mmmmm 000100nn nnnddddd", needs: featureSHA1, run: sha1Rounds(shaParity)},
		{name: "SHA1M", pattern: "01011110 000mmmmm 001000nn nnnddddd", needs: featureSHA1, run: sha1Rounds(shaMajority)},
		{name: "SHA1SU0", pattern: "01011110 000mmmmm 001100nn nnnddddd", needs: featureSHA1, run: operationSHA1SU0},
		{name: "SHA1H", pattern: "01011110 00101000 000010nn nnnddddd", needs: featureSHA1, run: operationSHA1H},
		{name: "SHA1SU1", pattern: "01011110 00101000 000110nn nnnddddd", needs: featureSHA1, run: operationSHA1SU1},
		{name: "SHA256H", pattern: "01011110 000mmmmm 010000nn nnnddddd", needs: featureSHA256, run: operationSHA256H},
		{name: "SHA256H2", pattern: "01011110 000mmmmm 010100nn nnnddddd", needs: featureSHA256, run: operationSHA256H2},
		{name: "SHA256SU1", pattern: "01011110 000mmmmm 011000nn nnnddddd", needs: featureSHA256, run: operationSHA256SU1},
		{name: "SHA256SU0", pattern: "01011110 00101000 001010nn nnnddddd", needs: featureSHA256, run: operationSHA256SU0},
		{name: "SHA512H", pattern: "11001110 011mmmmm 100000nn nnnddddd", needs: featureSHA512, run: operationSHA512H},
		{name: "SHA512H2", pattern: "11001110 011mmmmm 100001nn nnnddddd", needs: featureSHA512, run: operationSHA512H2},
		{name: "SHA512SU1", pattern: "11001110 011mmmmm 100010nn nnnddddd", needs: featureSHA512, run: operationSHA512SU1},
		{name: "SHA512SU0", pattern: "11001110 11000000 100000nn nnnddddd", needs: featureSHA512, run: operationSHA512SU0},
		{name: "EOR3", pattern: "11001110 000mmmmm 0aaaaann nnnddddd", needs: featureSHA3, run: operationEOR3},
		{name: "BCAX", pattern: "11001110 001mmmmm 0aaaaann nnnddddd", needs: featureSHA3, run: operationBCAX},
		{name: "RAX1", pattern: "11001110 011mmmmm 100011nn nnnddddd", needs: featureSHA3, run: operationRAX1},
		{name: "XAR", pattern: "11001110 100mmmmm iiiiiinn nnnddddd", needs: featureSHA3, run: operationXAR},
	}
	for i := range all {
		all[i].form |= vector
	}
	return all
}

func operationSHA512H(c *CPU, in *inst) bool {
	x, y, w := c.v[in.n&31], c.v[in.m&31], &c.v[in.d&31]
	sigma := func(v uint64) uint64 {
		return bits.RotateLeft64(v, -14) ^ bits.RotateLeft64(v, -18) ^ bits.RotateLeft64(v, -41)
	}
	w[1] += y[1]&x[0] ^ ^y[1]&x[1] + sigma(y[1])
	t := w[1] + y[0]
	w[0] += t&y[1] ^ ^t&x[0] + sigma(t)
	return true
}

func operationSHA512H2(c *CPU, in *inst) bool {
	x, y, w := c.v[in.n&31], c.v[in.m&31], &c.v[in.d&31]
	sigma := func(v uint64) uint64 {
		return bits.RotateLeft64(v, -28) ^ bits.RotateLeft64(v, -34) ^ bits.RotateLeft64(v, -39)
	}
	major := func(a, b, d uint64) uint64 { return a&b ^ a&d ^ b&d }
	w[1] += major(x[0], y[1], y[0]) + sigma(y[0])
	w[0] += major(w[1], y[0], y[1]) + sigma(w[1])
	return true
}

func operationSHA512SU0(c *CPU, in *inst) bool {
	x, w := c.v[in.n&31], &c.v[in.d&31]
	sigma := func(v uint64) uint64 { return bits.RotateLeft64(v, -1) ^ bits.RotateLeft64(v, -8) ^ v>>7 }
	w[0], w[1] = w[0]+sigma(w[1]), w[1]+sigma(x[0])
	return true
}

func operationSHA512SU1(c *CPU, in *inst) bool {
	x, y, w := c.v[in.n&31], c.v[in.m&31], &c.v[in.d&31]
	for i, v := range x {
		w[i] += bits.RotateLeft64(v, -19) ^ bits.RotateLeft64(v, -61) ^ v>>6
		w[i] += y[i]
	}
	return true
}

// SHA3: bits 14 to 10 are a fourth register.

func operationEOR3(c *CPU, in *inst) bool {
	n, m, a := c.v[in.n&31], c.v[in.m&31], c.v[in.bits(10, 5)&31]
	c.v[in.d&31] = word128{n[0] ^ m[0] ^ a[0], n[1] ^ m[1] ^ a[1]}
	return true
}

func operationBCAX(c *CPU, in *inst) bool {
	n, m, a := c.v[in.n&31], c.v[in.m&31], c.v[in.bits(10, 5)&31]
	c.v[in.d&31] = word128{n[0] ^ m[0]&^a[0], n[1] ^ m[1]&^a[1]}
	return true
}

func operationRAX1(c *CPU, in *inst) bool {
	n, m := c.v[in.n&31], c.v[in.m&31]
	c.v[in.d&31] = word128{n[0] ^ bits.RotateLeft64(m[0], 1), n[1] ^ bits.RotateLeft64(m[1], 1)}
	return true
}

func operationXAR(c *CPU, in *inst) bool {
	n, m, by := c.v[in.n&31], c.v[in.m&31], -int(in.bits(10, 6))
	c.v[in.d&31] = word128{bits.RotateLeft64(n[0]^m[0], by), bits.RotateLeft64(n[1]^m[1], by)}
	return true
}
