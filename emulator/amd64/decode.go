package amd64

import "encoding/binary"

// needMore is the length of an instruction that goes on behind the bytes that
// there are.
const needMore = -1

// form says what follows an opcode and how its operands are found (Intel SDM
// 2A 2.1).
type form uint32

const (
	modrm      form = 1 << iota // a ModRM byte
	bytes1                      // operands are bytes
	opReg                       // the register is in the opcode's low three bits
	imm8                        // a byte, sign-extended
	immU8                       // a byte
	imm16                       // a word
	immZ                        // a word or doubleword by operand size, sign-extended
	immV                        // as wide as the operand
	rel8                        // a branch's displacement
	relZ                        // a wide one
	offset                      // an address as wide as the address size
	wide                        // 64 bits by default in 64-bit mode
	last                        // the block ends here
	xmm                         // registers are no general ones
	memOnly                     // #UD with a register operand
	regOnly                     // #UD with a memory operand
	legacy                      // #UD in 64-bit mode
	lockable                    // LOCK is allowed with a memory operand
	farPtr                      // offset by operand size, and a selector
	sseState                    // needs CR4.OSFXSR and no CR0.EM or TS
	fromSource                  // a string instruction that reads DS:rSI
	enterLevel                  // a byte behind the immediate: ENTER
	rmByte                      // r/m is a byte, whatever the operand size
)

// opcode is an entry of the decoder's tables.
type opcode struct {
	name  string
	run   operation
	op    uint8 // which of several things run does
	form  form
	fast  fastKind
	group *[8]opcode // by ModRM.reg
	other *[8]opcode // by ModRM.reg where r/m is a register, if that is another group

	pack func(a, b vector) vector            // of operationPacked: destination and source
	pick func(a, b vector, imm uint8) vector // of operationPackedImmediate
}

func (o *opcode) ends() bool { return o.form&last != 0 }

// decoder holds the prefixes of an instruction.
type decoder struct {
	b       []byte
	at      int
	mode    mode
	rex     uint8
	osize   bool // 66
	asize   bool // 67
	repeat  uint8
	lock    bool
	noTrack bool
	seg     uint8 // place in the register file; 0: none
	short   bool  // the bytes ended
}

func (d *decoder) byte() uint8 {
	if d.at >= len(d.b) {
		d.short = true
		return 0
	}
	v := d.b[d.at]
	d.at++
	return v
}

func (d *decoder) number(n int) uint64 {
	if d.at+n > len(d.b) {
		d.short = true
		return 0
	}
	var b [8]byte
	copy(b[:], d.b[d.at:d.at+n])
	d.at += n
	return binary.LittleEndian.Uint64(b[:])
}

// decode decodes one instruction at the start of b. What has no entry in the
// tables becomes an instruction that stops the machine, what the architecture
// refuses one that raises #UD.
func decode(b []byte, rip uint64, m mode) (inst, int) {
	d := decoder{b: b, mode: m}
	op := d.prefixes()
	e, code := d.lookup(op)
	in := inst{ip: rip, entry: e, repeat: d.repeat, lock: d.lock, noTrack: d.noTrack, base: regZero, index: regZero, seg: regZero}
	in.op = e.op
	in.size = d.operandSize(e.form)
	in.asize = d.addressSize()
	if e.form&modrm != 0 && !d.short {
		d.modrm(&in)
		if group := e.group; group != nil {
			if e.other != nil && !in.mem {
				group = e.other
			}
			shared := e.form
			e = &group[in.reg&7]
			in.entry, in.op = e, e.op
			in.size = d.operandSize(e.form | shared&(bytes1|wide))
		}
		d.registers(&in, e.form)
	}
	if e.form&opReg != 0 {
		in.rm = code&7 | d.rex&1<<3
		if in.size == 1 && d.rex == 0 && in.rm >= 4 {
			in.rm = in.rm&3 | high8
		}
	}
	d.immediate(&in, e.form)
	if d.short {
		if len(b) >= maxLength {
			in.entry, in.run, in.next = &tooLong, operationUndefined, rip+maxLength
			return in, maxLength
		}
		return in, needMore
	}
	d.finish(&in, rip)
	return in, d.at
}

var (
	tooLong = opcode{name: "longer than 15 bytes", run: operationUndefined, form: last}
	missing = opcode{name: "missing", run: operationMissing, form: last}
)

// finish completes an instruction whose length is known.
func (d *decoder) finish(in *inst, rip uint64) {
	e := in.entry
	in.run = e.run
	in.next = rip + uint64(d.at)
	switch d.mode {
	case mode32:
		in.next &= 0xffffffff
	case mode16, modeReal:
		in.next &= 0xffff
	}
	if in.mem && in.base == ripBase {
		in.base = regZero
		in.disp += rip + uint64(d.at)
	}
	if e.form&(rel8|relZ) != 0 {
		in.imm += in.next
		switch {
		case d.mode == mode32 && !d.osize || d.mode != mode64 && d.mode != mode32 && d.osize:
			in.imm &= 0xffffffff
		case d.mode != mode64:
			in.imm &= 0xffff
		}
	}
	if e == &twoByte[prefixF3][0x1e].group[7] && !in.mem && in.rm&7 == 2 && d.mode == mode64 {
		in.entry = &entryEndbranch
	}
	if e.run == nil {
		in.entry, in.run = &missing, operationMissing
		return
	}
	wrong := d.mode == mode64 && e.form&legacy != 0 || e.form&memOnly != 0 && !in.mem || e.form&regOnly != 0 && in.mem ||
		d.lock && (e.form&lockable == 0 || !in.mem)
	if wrong {
		in.entry, in.run = &undefined, operationUndefined
	}
}

// entryEndbranch is ENDBR64, which does nothing but be there.
var entryEndbranch = opcode{name: "ENDBR64", run: operationNop}

// undefined is an instruction that the architecture refuses.
var undefined = opcode{name: "undefined", run: operationUndefined, form: last}

// prefixes takes the prefixes and gives the first opcode byte.
func (d *decoder) prefixes() uint8 {
	for {
		v := d.byte()
		switch v {
		case 0x26, 0x2e, 0x36, 0x3e:
			d.noTrack = v == 0x3e
			if d.mode != mode64 {
				d.seg = regSegment + v>>3&3
			}
		case 0x64:
			d.seg = regFS
		case 0x65:
			d.seg = regGS
		case 0x66:
			d.osize = true
		case 0x67:
			d.asize = true
		case 0xf0:
			d.lock = true
		case 0xf2, 0xf3:
			d.repeat = v
		default:
			if d.mode == mode64 && v&0xf0 == 0x40 {
				d.rex = v
				next := d.byte()
				if next&0xf0 == 0x40 || isPrefix(next) { // only the last REX before the opcode counts
					d.rex = 0
					d.at--
					continue
				}
				return next
			}
			return v
		}
		d.rex = 0
	}
}

func isPrefix(v uint8) bool {
	switch v {
	case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3:
		return true
	}
	return false
}

// lookup finds the entry of an opcode, and its last byte.
func (d *decoder) lookup(op uint8) (*opcode, uint8) {
	if op != 0x0f {
		if op == 0x90 && d.rex&1 == 0 {
			if d.repeat == 0xf3 {
				return &entryPause, op
			}
			return &entryNop, op
		}
		return &oneByte[op], op
	}
	op = d.byte()
	table := &twoByte
	switch op {
	case 0x38:
		op, table = d.byte(), &threeByte38
	case 0x3a:
		op, table = d.byte(), &threeByte3A
	}
	prefix := 0
	switch {
	case d.repeat == 0xf3:
		prefix = 2
	case d.repeat == 0xf2:
		prefix = 3
	case d.osize:
		prefix = 1
	}
	for _, p := range [2]int{prefix, 0} {
		if p == 0 && prefix != 0 && table[0][op].form&(sseState) != 0 {
			continue // a prefix that this instruction has no form with
		}
		if e := &table[p][op]; e.run != nil || e.group != nil {
			return e, op
		}
	}
	return &missing, op
}

func (d *decoder) operandSize(f form) uint8 {
	if f&bytes1 != 0 {
		return 1
	}
	switch d.mode {
	case mode64:
		switch {
		case d.rex&8 != 0:
			return 8
		case d.osize:
			return 2
		case f&wide != 0:
			return 8
		}
		return 4
	case mode32:
		if d.osize {
			return 2
		}
		return 4
	}
	if d.osize {
		return 4
	}
	return 2
}

func (d *decoder) addressSize() uint8 {
	switch {
	case d.mode == mode64 && !d.asize:
		return 8
	case d.mode == mode64, d.mode == mode32 && !d.asize, (d.mode == mode16 || d.mode == modeReal) && d.asize:
		return 4
	}
	return 2
}

// immediate takes what follows the operands.
func (d *decoder) immediate(in *inst, f form) {
	z := min(int(in.size), 4)
	switch {
	case f&imm8 != 0, f&rel8 != 0:
		in.imm = extend(d.number(1), 1)
	case f&immU8 != 0:
		in.imm = d.number(1)
	case f&imm16 != 0:
		in.imm = d.number(2)
		if f&enterLevel != 0 {
			in.disp = d.number(1)
		}
	case f&fromSource != 0:
		d.segment(in, segDS)
	case f&relZ != 0:
		if d.mode == mode64 {
			z = 4
		}
		in.imm = extend(d.number(z), uint8(z))
	case f&immZ != 0:
		in.imm = extend(d.number(z), uint8(z))
	case f&immV != 0:
		in.imm = d.number(int(in.size))
	case f&offset != 0:
		in.disp = d.number(int(in.asize))
		in.mem = true
		d.segment(in, segDS)
	case f&farPtr != 0:
		in.imm = d.number(z)
		in.disp = d.number(2)
	}
}

// segment sets whose base an address adds: in 64-bit mode only FS and GS have
// one.
func (d *decoder) segment(in *inst, standard uint8) {
	switch {
	case d.seg != 0:
		in.seg = d.seg
	case d.mode != mode64:
		in.seg = regSegment + standard
	}
}
