package amd64

import "math"

// toInteger converts to an integer of size bytes; what does not fit is the
// integer indefinite, the most negative one.
func toInteger(v float64, size uint8, truncating bool) uint64 {
	if truncating {
		v = math.Trunc(v)
	} else {
		v = math.RoundToEven(v)
	}
	limit := float64(uint64(1) << (8*size - 1))
	if v != v || v >= limit || v < -limit {
		return uint64(1) << (8*size - 1)
	}
	return truncate(uint64(int64(v)), size)
}

// singleOf and doubleOf convert a number's bits to the other format.
func singleOf(v uint64) uint64 {
	if isNaN64(v) {
		return v>>32&0x80000000 | 0x7fc00000 | v>>29&0x3fffff
	}
	return uint64(math.Float32bits(float32(double(v))))
}

func doubleOf(v uint64) uint64 {
	if isNaN32(v) {
		return v&0x80000000<<32 | 0x7ff8000000000000 | v&0x3fffff<<29
	}
	return math.Float64bits(single(v))
}

// operationFromInteger is CVTSI2SS, CVTSI2SD.
func operationFromInteger(c *CPU, in *inst) bool {
	if !c.floatsAllowed() {
		return false
	}
	size := max(in.size, 4)
	v, ok := c.source(in, size)
	if !ok {
		return false
	}
	n := int64(extend(v, size))
	if scalarSize(in) == 8 {
		c.setPart(in.reg, 8, math.Float64bits(float64(n)))
	} else {
		c.setPart(in.reg, 4, uint64(math.Float32bits(float32(n))))
	}
	return true
}

// operationToInteger is CVTSS2SI, CVTSD2SI (op 0), CVTTSS2SI, CVTTSD2SI (op 1).
func operationToInteger(c *CPU, in *inst) bool {
	if !c.floatsAllowed() {
		return false
	}
	size := scalarSize(in)
	v, ok := c.partSource(in, size)
	if !ok {
		return false
	}
	n := double(v)
	if size == 4 {
		n = single(v)
	}
	c.set(in.reg, max(in.size, 4), toInteger(n, max(in.size, 4), in.op == 1))
	return true
}

// operationConvertScalar is CVTSS2SD, CVTSD2SS.
func operationConvertScalar(c *CPU, in *inst) bool {
	if !c.floatsAllowed() {
		return false
	}
	size := scalarSize(in)
	v, ok := c.partSource(in, size)
	if !ok {
		return false
	}
	if size == 4 {
		c.setPart(in.reg, 8, doubleOf(v))
	} else {
		c.setPart(in.reg, 4, singleOf(v))
	}
	return true
}

// operationConvertHalf converts two elements to wider ones: it reads 8 bytes.
func operationConvertHalf(c *CPU, in *inst) bool {
	if !c.floatsAllowed() {
		return false
	}
	b, ok := c.partSource(in, 8)
	if ok {
		c.x[in.reg&15] = in.entry.pack(vector{}, vector{b})
	}
	return ok
}

func singlesToDoubles(_, b vector) vector {
	return vector{doubleOf(b[0] & 0xffffffff), doubleOf(b[0] >> 32)}
}
func doublesToSingles(_, b vector) vector { return vector{singleOf(b[0]) | singleOf(b[1])<<32} }

func integersToDoubles(_, b vector) vector {
	return vector{math.Float64bits(float64(int32(b[0]))), math.Float64bits(float64(int32(b[0] >> 32)))}
}

func doublesToIntegers(truncating bool) func(_, b vector) vector {
	return func(_, b vector) vector {
		return vector{toInteger(double(b[0]), 4, truncating) | toInteger(double(b[1]), 4, truncating)<<32}
	}
}

func singlesToIntegers(truncating bool) func(_, b vector) vector {
	return each(4, func(_, v uint64) uint64 { return toInteger(single(v), 4, truncating) })
}

func integersToSingles(_, b vector) vector {
	return each(4, func(_, v uint64) uint64 { return uint64(math.Float32bits(float32(int32(v)))) })(b, b)
}
