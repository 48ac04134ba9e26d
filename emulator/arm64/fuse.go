package arm64

import "reflect"

// same reports whether two operations are one function.
func same(a, b operation) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// fuse joins instructions of a block that often follow one another: a comparison
// and a branch by it, and the parts of a constant. What is joined neither faults
// nor leaves the block between the two.
func fuse(b *block) {
	kept := b.code[:1]
	for _, in := range b.code[1:] {
		before := &kept[len(kept)-1]
		if !fuseConstant(before, &in) && !fuseBranch(before, &in) {
			kept = append(kept, in)
		}
	}
	b.code = kept
}

// fuseConstant joins ADRP and ADD, or MOVZ and MOVK.
func fuseConstant(before, in *inst) bool {
	if !same(before.run, operationConstant) || in.d != before.d || in.width == 0 {
		return false
	}
	switch {
	case same(in.run, addImmediate64) && in.n == in.d:
		before.imm += in.imm
	case same(in.run, keepMove64):
		before.imm = before.imm&^(0xffff<<(in.shift&63)) | in.imm
	default:
		return false
	}
	before.ordinal = in.ordinal
	before.width += in.width
	return true
}

// fusedBranches are, by what compares and by the condition, what does both.
var fusedImmediate = map[uint8][2]operation{
	0: {compareImmediateEQ64, compareImmediateEQ32}, 1: {compareImmediateNE64, compareImmediateNE32},
	2: {compareImmediateCS64, compareImmediateCS32}, 3: {compareImmediateCC64, compareImmediateCC32},
	8: {compareImmediateHI64, compareImmediateHI32}, 9: {compareImmediateLS64, compareImmediateLS32},
	10: {compareImmediateGE64, compareImmediateGE32}, 11: {compareImmediateLT64, compareImmediateLT32},
	12: {compareImmediateGT64, compareImmediateGT32}, 13: {compareImmediateLE64, compareImmediateLE32},
}

var fusedRegister = map[uint8][2]operation{
	0: {compareRegisterEQ64, compareRegisterEQ32}, 1: {compareRegisterNE64, compareRegisterNE32},
	2: {compareRegisterCS64, compareRegisterCS32}, 3: {compareRegisterCC64, compareRegisterCC32},
	8: {compareRegisterHI64, compareRegisterHI32}, 9: {compareRegisterLS64, compareRegisterLS32},
	10: {compareRegisterGE64, compareRegisterGE32}, 11: {compareRegisterLT64, compareRegisterLT32},
	12: {compareRegisterGT64, compareRegisterGT32}, 13: {compareRegisterLE64, compareRegisterLE32},
}

// fuseBranch joins CMP and B.cond. The branch's offset goes above the immediate.
func fuseBranch(before, in *inst) bool {
	if in.entry == nil || in.entry.name != "B.cond" || in.width == 0 || before.width != 1 {
		return false
	}
	var table map[uint8][2]operation
	narrow := 0
	switch {
	case same(before.run, compareImmediate64):
		table = fusedImmediate
	case same(before.run, compareImmediate32):
		table, narrow = fusedImmediate, 1
	case same(before.run, compareRegister64):
		table = fusedRegister
	case same(before.run, compareRegister32):
		table, narrow = fusedRegister, 1
	}
	run := table[in.shift][narrow]
	if run == nil {
		return false
	}
	before.run = run
	before.imm = before.imm&0xffffffff | (in.imm-before.ip)<<32
	before.ordinal = in.ordinal
	before.width = 2
	return true
}

// taken leaves the block for a fused branch's target.
func (c *CPU) taken(in *inst) bool {
	c.pc = in.ip + uint64(int64(in.imm)>>32)
	return false
}
