package arm64

import (
	"fmt"
	"math/bits"
	"sort"
	"strings"
)

// form is what the decoder must know of an operation.
type form uint16

const (
	last   form = 1 << iota // the block ends behind it
	vector                  // uses vector registers: traps where they are not enabled
	float                   // its arithmetic depends on FPCR: see floatUnsupported
	system                  // not for EL0, or not the same on all: left out of user-level tests
	memory                  // loads or stores
	branch                  // changes pc
)

// opcode is an entry of the tables of operations. See the package comment.
type opcode struct {
	name    string
	pattern string
	needs   feature               // what the CPU must have
	form    form                  //
	lower   func(in *inst) bool   // fields to what run wants; false: the combination is UNDEFINED. Nil: nothing to do
	run     operation             //
	op      uint8                 // is in.op before lower is called
	valid   func(w uint32) uint32 // for test generators: makes a random instance one that is allowed; nil: it is

	mask, value uint32
}

// opcodeTables are all tables.
var opcodeTables = []func() []opcode{
	immediateOpcodes, registerOpcodes, loadOpcodes, pairOpcodes, exclusiveOpcodes, atomicOpcodes, branchOpcodes, systemOpcodes,
	floatOpcodes, simdOpcodes, cryptoOpcodes,
}

// parse works out mask and value.
func (o *opcode) parse() {
	n := 0
	for _, r := range o.pattern {
		if r == ' ' {
			continue
		}
		n++
		o.mask, o.value = o.mask<<1, o.value<<1
		if r == '0' || r == '1' {
			o.mask |= 1
			o.value |= uint32(r - '0')
		}
	}
	if n != 32 {
		panic(fmt.Sprintf("the pattern of %s has %d bits", o.name, n))
	}
}

// uses reports whether the pattern has a letter, and where it is.
func (o *opcode) uses(letter rune) bool { return strings.ContainsRune(o.pattern, letter) }

const bucketBits = 11

// decoder is the tables, by the top bits of a word.
type decoder struct {
	all     []opcode
	buckets [1 << bucketBits][]*opcode
}

// decoding is the one decoder: it holds constants only.
var decoding *decoder

func init() { decoding = newDecoder(opcodeTables) }

func newDecoder(tables []func() []opcode) *decoder {
	d := &decoder{}
	for _, table := range tables {
		d.all = append(d.all, table()...)
	}
	for i := range d.all {
		d.all[i].parse()
	}
	sort.SliceStable(d.all, func(i, j int) bool { return bits.OnesCount32(d.all[i].mask) > bits.OnesCount32(d.all[j].mask) })
	for b := range d.buckets {
		for i := range d.all {
			o := &d.all[i]
			if (uint32(b)<<(32-bucketBits)^o.value)&o.mask>>(32-bucketBits) == 0 {
				d.buckets[b] = append(d.buckets[b], o)
			}
		}
	}
	return d
}

// find gives the entry of a word, or nil.
func (d *decoder) find(word uint32) *opcode {
	for _, o := range d.buckets[word>>(32-bucketBits)] {
		if word&o.mask == o.value {
			return o
		}
	}
	return nil
}
