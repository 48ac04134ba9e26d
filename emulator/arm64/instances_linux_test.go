package arm64

import (
	"encoding/binary"
	"math/bits"
	"strings"

	"github.com/seed64aab995/rescuekernel/emulator/arm64/internal/ieee"
	"github.com/seed64aab995/rescuekernel/emulator/arm64/internal/native"
)

const wordNop = 0xd503201f

// field is where a letter of a pattern is: its lowest bit and how many.
func (o *opcode) field(letter rune) (low, count int) {
	at := 31
	for _, r := range o.pattern {
		if r == ' ' {
			continue
		}
		if r == letter {
			low = at
			count++
		}
		at--
	}
	return low, count
}

// insert puts a value into the field of a letter.
func (o *opcode) insert(w uint32, letter rune, v uint32) uint32 {
	low, count := o.field(letter)
	mask := uint32(1<<count - 1)
	return w&^(mask<<low) | v&mask<<low
}

// interesting is a number as tests want them: often at an edge.
func (r *rig) interesting() uint64 {
	v := r.random.Uint64()
	switch r.random.IntN(9) {
	case 0:
		return v & 0xff
	case 1:
		return -(v & 0xff)
	case 2:
		return 1 << (v & 63)
	case 3:
		return 1<<(v&63) - 1
	case 4:
		return uint64(int64(v) >> (v & 63))
	case 5:
		return v & 0xffffffff
	}
	return v
}

// number is a floating-point number of a format: often one that arithmetic has
// trouble with.
func (r *rig) number(f ieee.Format) uint64 {
	exponentBits, fractionBits := map[ieee.Format]int{ieee.Half: 5, ieee.Single: 8, ieee.Double: 11}[f], map[ieee.Format]int{ieee.Half: 10, ieee.Single: 23, ieee.Double: 52}[f]
	top, one := uint64(1)<<exponentBits-1, uint64(1)<<fractionBits
	sign := r.random.Uint64N(2) << (exponentBits + fractionBits)
	fraction := r.random.Uint64N(one)
	if r.random.IntN(2) == 0 {
		fraction &= r.random.Uint64() & r.random.Uint64()
	}
	switch r.random.IntN(12) {
	case 0:
		return sign
	case 1:
		return sign | top*one
	case 2:
		return sign | top*one | fraction | one>>1 // quiet
	case 3:
		return sign | top*one | fraction&^(one>>1) | 1 // signaling
	case 4:
		return sign | fraction // denormal
	case 5:
		return sign | one + r.random.Uint64N(3) - 1 // at the smallest
	case 6:
		return sign | top*one - 1 - r.random.Uint64N(2)
	case 7, 8, 9:
		return sign | (top/2-4+r.random.Uint64N(8))*one | fraction
	case 10:
		return sign | (top/2+r.random.Uint64N(uint64(exponentBits)*6)%top)*one | fraction // around integers' limits
	}
	return sign | r.random.Uint64N(top)*one | fraction
}

// half is half a vector register.
func (r *rig) half() (v uint64) {
	switch r.random.IntN(6) {
	case 0, 1:
		return r.number(ieee.Double)
	case 2, 3:
		return r.number(ieee.Single) | r.number(ieee.Single)<<32
	case 4:
		for i := range 4 {
			v |= r.number(ieee.Half) << (16 * i)
		}
		return v
	}
	v = r.interesting()
	if r.random.IntN(2) == 0 { // elements at their edges
		edges := []uint64{0, 0x80, 0x7f, 0xff, 1, 0x8000, 0x7fff, 0xffff}
		v = 0
		for range 8 {
			v = v<<8 | edges[r.random.IntN(8)]&0xff
		}
	}
	return v
}

// state is what an instruction finds.
func (r *rig) state() (s native.State) {
	for i := range s.X {
		s.X[i] = r.interesting()
	}
	s.SP = r.random.Uint64() &^ 15
	s.NZCV = r.random.Uint64() & (15 << 28)
	if r.random.IntN(3) != 0 {
		s.FPCR = uint64(r.random.IntN(4)) << 22
		for _, b := range []uint64{ieee.FlushToZero, ieee.DefaultNaN, ieee.AlternativeHalf} {
			if r.random.IntN(4) == 0 {
				s.FPCR |= b
			}
		}
	}
	if r.random.IntN(2) == 0 {
		s.FPSR = r.random.Uint64() & 0x0800009f
	}
	for i := range s.V {
		s.V[i] = [2]uint64{r.half(), r.half()}
	}
	for i := 0; i < native.MemorySize; i += 8 {
		binary.LittleEndian.PutUint64(s.Memory[i:], r.random.Uint64())
	}
	return s
}

// instance makes a case of an operation, for a slot: again and again until the
// word is not one of another operation.
func (r *rig) instance(o *opcode, slot int) native.Case {
	for {
		c := r.attempt(o, slot)
		for _, w := range c.Code {
			if w&o.mask == o.value && decoding.find(w) == o {
				return c
			}
		}
	}
}

func (r *rig) attempt(o *opcode, slot int) native.Case {
	c := native.Case{State: r.state()}
	w := o.value | r.random.Uint32()&^o.mask
	if o.uses('d') && o.uses('n') && r.random.IntN(8) == 0 {
		_, count := o.field('n')
		low, _ := o.field('n')
		if count == 5 {
			w = o.insert(w, 'd', w>>low)
		}
	}
	switch {
	case strings.Contains(o.name, "(literal)"):
		w = o.insert(w, 'i', ^uint32(0)) // of words that are the same on both
		c.Code[1], c.Code[2] = wordNop, wordNop
	case o.form&branch != 0:
		w = r.branch(o, w, slot, &c)
	case o.form&memory != 0:
		w = r.access(o, w, &c)
	}
	if o.valid != nil && !strings.Contains(o.name, "(literal)") {
		w = o.valid(w)
	}
	if strings.HasPrefix(o.name, "CASP") && w>>16&31 == 30 {
		w ^= 2 << 16 // QEMU writes SP where it should write XZR
	}
	c.Code[0] = w
	if strings.HasPrefix(o.name, "STX") || strings.HasPrefix(o.name, "STLX") {
		r.exclusive(o, w, &c)
	}
	return c
}

// way is a word of a slot that is a way out.
func (r *rig) way() int {
	for {
		if n := r.random.IntN(native.SlotWords); n < native.Entry-1 || n > native.Entry {
			return n
		}
	}
}

// branch has a branch lead to a way out.
func (r *rig) branch(o *opcode, w uint32, slot int, c *native.Case) uint32 {
	to := r.way()
	if o.uses('n') {
		n := w >> 5 & 31
		if n == 31 {
			n = 30
			w ^= 1 << 5
		}
		c.X[n] = native.Slot(slot) + uint64(4*to)
	}
	return o.insert(w, 'i', uint32(to-native.Entry))
}

// address is one in the memory of a case: in it, across its end, aligned or not.
func (r *rig) address() uint64 {
	at := uint64(native.Middle) - 64 + r.random.Uint64N(128)
	if r.random.IntN(2) == 0 {
		at = native.End - r.random.Uint64N(160)
		if r.random.IntN(8) == 0 {
			at += 64
		}
	}
	switch r.random.IntN(4) {
	case 0, 1:
		at &^= 15
	case 2:
		at &^= 7
	}
	return at
}

// access has an instruction's base lead into the memory of the case.
func (r *rig) access(o *opcode, w uint32, c *native.Case) uint32 {
	if o.uses('i') && r.random.IntN(8) != 0 {
		_, count := o.field('i')
		v := uint32(r.random.IntN(4))
		if count < 12 && r.random.IntN(2) == 0 {
			v = -v
		}
		w = o.insert(w, 'i', v)
	}
	if o.valid != nil {
		w = o.valid(w)
	}
	at := r.address()
	n := w >> 5 & 31
	if low, count := o.field('m'); count == 5 && !strings.Contains(o.name, "post-index") {
		if m := w >> low & 31; m != 31 && m != n {
			c.X[m] = r.random.Uint64N(32) - 8
			if bits.OnesCount64(c.X[m]) > 32 && r.random.IntN(2) == 0 {
				c.X[m] &= 0xffffffff // with a sign at 32 bits
			}
		}
	}
	if n == 31 {
		c.SP = at &^ 15
	} else {
		c.X[n] = at
	}
	if strings.HasPrefix(o.name, "CAS") && r.random.IntN(2) == 0 { // that succeeds
		r.expect(w, c, at)
	}
	return w
}

// expect gives the register that CAS compares the value that is in memory.
func (r *rig) expect(w uint32, c *native.Case, at uint64) {
	s := w >> 16 & 31
	v, ok := memoryAt(c, at)
	if s != 31 && s != w>>5&31 && ok {
		c.X[s] = v
	}
}

// memoryAt is eight bytes of the memory of a case.
func memoryAt(c *native.Case, at uint64) (uint64, bool) {
	for i, window := range native.Windows {
		if o := at - window; o <= native.MemorySize/2-8 {
			return binary.LittleEndian.Uint64(c.Memory[i*native.MemorySize/2+int(o):]), true
		}
	}
	return 0, false
}

// exclusive puts the load before an exclusive store that arms the monitor, or
// clears it.
func (r *rig) exclusive(o *opcode, w uint32, c *native.Case) {
	c.Code = [native.MaxCode]uint32{0xd503305f, w} // CLREX
	n := w >> 5 & 31
	if r.random.IntN(4) != 0 {
		load := w | 1<<22 | 31<<16
		spare := (n + 4) & 31
		load = load&^31 | spare
		if w>>21&1 != 0 {
			load = load&^(31<<10) | (n+5)&31<<10
		} else {
			load |= 31 << 10
		}
		c.Code = [native.MaxCode]uint32{0xd503305f, load, w}
	}
}
