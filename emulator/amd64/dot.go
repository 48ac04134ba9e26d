package amd64

// What SSE4.1 has that is neither packed nor scalar (Intel SDM 2A and 2B).

// dotProduct is DPPS and DPPD: products that imm's upper half chooses, added in
// pairs, to the elements that its lower half chooses.
func dotProduct(size int) func(a, b vector, imm uint8) vector {
	operation := float32Operation
	if size == 8 {
		operation = float64Operation
	}
	return func(a, b vector, imm uint8) vector {
		x, y := lanes(a, size), lanes(b, size)
		var products, to [16]uint64
		n := 16 / size
		for i := range n {
			if imm>>(4+i)&1 != 0 {
				products[i] = operation(floatMul, x[i], y[i])
			}
		}
		sum := operation(floatAdd, products[0], products[1])
		if n == 4 {
			sum = operation(floatAdd, sum, operation(floatAdd, products[2], products[3]))
		}
		for i := range n {
			if imm>>i&1 != 0 {
				to[i] = sum
			}
		}
		return join(to, size)
	}
}

// operationInsertSingle is INSERTPS.
func operationInsertSingle(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	imm := uint8(in.imm)
	var v uint32
	if in.mem {
		loaded, ok := c.load32(c.address(in))
		if !ok {
			return false
		}
		v = uint32(loaded)
	} else {
		v = words32(c.x[in.rm&15])[imm>>6]
	}
	w := words32(c.x[in.reg&15])
	w[imm>>4&3] = v
	for i := range w {
		if imm>>i&1 != 0 {
			w[i] = 0
		}
	}
	c.x[in.reg&15] = fromWords(w)
	return true
}

// blockDifferences is MPSADBW: sums of the differences between four bytes of b
// and four of a, at eight places one behind the other.
func blockDifferences(a, b vector, imm uint8) vector {
	x, y := lanes(a, 1), lanes(b, 1)
	from, block := int(imm>>2&1)*4, int(imm&3)*4
	var sums [16]uint64
	for i := range 8 {
		for j := range 4 {
			d := int64(x[from+i+j]) - int64(y[block+j])
			sums[i] += uint64(max(d, -d))
		}
	}
	return join(sums, 2)
}

// minimumPosition is PHMINPOSUW: the smallest word and where it is.
func minimumPosition(_, b vector) vector {
	w := lanes(b, 2)
	at := 0
	for i := range 8 {
		if w[i] < w[at] {
			at = i
		}
	}
	return vector{w[at] | uint64(at)<<16}
}
