package arm64

// Atomic operations, in in.op.
const (
	atomicAdd = iota
	atomicClear
	atomicXor
	atomicSet
	atomicSignedMax
	atomicSignedMin
	atomicMax
	atomicMin
	atomicSwap
)

// atomicOpcodes are those of FEAT_LSE (DDI 0487 C4.1.94).
func atomicOpcodes() (t []opcode) {
	orders := [4]struct{ name, a, r string }{{"", "0", "0"}, {"A", "1", "0"}, {"L", "0", "1"}, {"AL", "1", "1"}}
	names := [...]string{"LDADD", "LDCLR", "LDEOR", "LDSET", "LDSMAX", "LDSMIN", "LDUMAX", "LDUMIN", "SWP"}
	codes := [...]string{"0000", "0001", "0010", "0011", "0100", "0101", "0110", "0111", "1000"}
	for scale, size := range sizeCodes {
		for _, o := range orders {
			for op, name := range names {
				t = append(t, opcode{
					name: name + o.name + sizeNames[scale], pattern: size + "111000" + o.a + o.r + "1sssss" + codes[op] + "00nn nnnttttt",
					needs: featureLSE, form: memory, op: uint8(op), lower: lowerAtomic(scale), run: atomicOperation,
				})
			}
			t = append(t, opcode{
				name: "CAS" + o.name + sizeNames[scale], pattern: size + "0010001" + o.a + "1sssss" + o.r + "11111nn nnnttttt",
				needs: featureLSE, form: memory, lower: lowerAtomic(scale), run: compareAndSwap,
			})
			if scale < 2 {
				t = append(t, opcode{
					name: "CASP" + o.name + sizeNames[2+scale], pattern: size + "0010000" + o.a + "1sssss" + o.r + "11111nn nnnttttt",
					needs: featureLSE, form: memory, lower: lowerPairSwap, run: compareAndSwapPair,
					valid: func(w uint32) uint32 { return w &^ (1<<16 | 1) },
				})
			}
		}
	}
	return t
}

func lowerAtomic(scale int) func(in *inst) bool {
	return func(in *inst) bool {
		in.size, in.n = uint8(scale), stack(in.n)
		return true
	}
}

func lowerPairSwap(in *inst) bool {
	in.size, in.n = 2+uint8(in.bit(30)), stack(in.n)
	return in.m&1 == 0 && in.d&1 == 0
}

// atomicOperation gives the old value to t and stores what follows from it and s.
func atomicOperation(c *CPU, in *inst) bool {
	size := uint8(1) << in.size
	va, ok := c.ordered(in, uint64(size), accessRead)
	if !ok {
		return false
	}
	old, ok := c.load(va, size)
	if !ok {
		return false
	}
	if !c.store(va, size, combine(in.op, old, truncate(c.r[in.m&regMask], size), 64-8*size)) {
		return false
	}
	c.r[target(in.d)&regMask] = old
	return true
}

// combine computes what an atomic operation stores; unused is how many bits of
// the values are not.
func combine(op uint8, old, v uint64, unused uint8) uint64 {
	signedOld, signedV := int64(old<<unused), int64(v<<unused)
	switch op {
	case atomicAdd:
		return old + v
	case atomicClear:
		return old &^ v
	case atomicXor:
		return old ^ v
	case atomicSet:
		return old | v
	case atomicSignedMax:
		if signedOld > signedV {
			return old
		}
	case atomicSignedMin:
		if signedOld < signedV {
			return old
		}
	case atomicMax:
		return max(old, v)
	case atomicMin:
		return min(old, v)
	}
	return v
}

func compareAndSwap(c *CPU, in *inst) bool {
	size := uint8(1) << in.size
	va, ok := c.ordered(in, uint64(size), accessRead)
	if !ok {
		return false
	}
	old, ok := c.load(va, size)
	if !ok || !c.probe(va, uint64(size)) {
		return false
	}
	if old == truncate(c.r[in.m&regMask], size) && !c.store(va, size, c.r[in.d&regMask]) {
		return false
	}
	c.r[target(in.m)&regMask] = old
	return true
}

func compareAndSwapPair(c *CPU, in *inst) bool {
	size := uint8(1) << in.size
	va, ok := c.ordered(in, 2*uint64(size), accessRead)
	if !ok {
		return false
	}
	first, ok := c.load(va, size)
	if !ok || !c.probe(va, 2*uint64(size)) {
		return false
	}
	second, ok := c.load(va+uint64(size), size)
	if !ok {
		return false
	}
	s, t := in.m&31, in.d&31
	if first == truncate(c.r[s], size) && second == truncate(c.r[s+1], size) {
		if !c.store(va, size, c.r[t]) || !c.store(va+uint64(size), size, c.r[t+1]) {
			return false
		}
	}
	c.r[s] = first
	c.r[target(s+1)&regMask] = second
	return true
}
