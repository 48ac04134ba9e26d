package amd64

// ripBase stands for RIP as a base until the instruction's length is known.
const ripBase = 0x80

// modrm takes the ModRM byte, SIB and displacement (Intel SDM 2A 2.1.3 to
// 2.1.5). in.reg and in.rm are the fields with their REX bits.
func (d *decoder) modrm(in *inst) {
	b := d.byte()
	mod, rm := b>>6, b&7
	in.reg = b>>3&7 | d.rex&4<<1
	if mod == 3 {
		in.rm = rm | d.rex&1<<3
		return
	}
	in.mem = true
	if in.asize == 2 {
		d.modrm16(in, mod, rm)
		return
	}
	standard := uint8(segDS)
	switch {
	case rm == 4:
		standard = d.sib(in, mod)
	case rm == 5 && mod == 0:
		in.disp = extend(d.number(4), 4)
		if d.mode == mode64 {
			in.base = ripBase
		}
	default:
		in.base = rm | d.rex&1<<3
		if rm == 5 {
			standard = segSS
		}
	}
	switch mod {
	case 1:
		in.disp += extend(d.number(1), 1)
	case 2:
		in.disp += extend(d.number(4), 4)
	}
	d.segment(in, standard)
}

// sib takes a SIB byte and gives the segment that the address is in by default.
func (d *decoder) sib(in *inst, mod uint8) uint8 {
	b := d.byte()
	in.scale = b >> 6
	if index := b>>3&7 | d.rex&2<<2; index != 4 {
		in.index = index
	}
	if b&7 == 5 && mod == 0 {
		in.disp = extend(d.number(4), 4)
		return segDS
	}
	in.base = b&7 | d.rex&1<<3
	if b&7 == 4 || b&7 == 5 && d.rex&1 == 0 {
		return segSS
	}
	return segDS
}

// modrm16 is the addressing of 16-bit code (Intel SDM 2A table 2-1).
func (d *decoder) modrm16(in *inst, mod, rm uint8) {
	const bx, bp, si, di = 3, 5, 6, 7
	pairs := [8][2]uint8{{bx, si}, {bx, di}, {bp, si}, {bp, di}, {si, regZero}, {di, regZero}, {bp, regZero}, {bx, regZero}}
	standard := uint8(segDS)
	if mod == 0 && rm == 6 {
		in.disp = d.number(2)
	} else {
		in.base, in.index = pairs[rm][0], pairs[rm][1]
		if in.base == bp {
			standard = segSS
		}
	}
	switch mod {
	case 1:
		in.disp = extend(d.number(1), 1)
	case 2:
		in.disp = d.number(2)
	}
	d.segment(in, standard)
}

// registers gives byte registers their names: without REX, 4 to 7 are AH to BH.
func (d *decoder) registers(in *inst, f form) {
	if f&xmm != 0 || d.rex != 0 {
		return
	}
	if f&rmByte != 0 && !in.mem && in.rm >= 4 {
		in.rm = in.rm&3 | high8
	}
	if in.size == 1 {
		if in.reg >= 4 {
			in.reg = in.reg&3 | high8
		}
		if !in.mem && in.rm >= 4 {
			in.rm = in.rm&3 | high8
		}
	}
}

// narrow puts an instruction whose address is not 64 bits wide behind the
// computation of that address: operationAddress leaves it where the instruction
// looks for it.
func narrow(in *inst) (first inst, is bool) {
	if !in.mem || in.asize == 8 || in.base == regZero && in.index == regZero && in.disp>>32 == 0 {
		return inst{}, false
	}
	first = *in
	first.run = operationAddress
	in.base, in.index, in.disp, in.seg = regAddress, regZero, 0, regZero
	return first, true
}

// operationAddress computes an address of 16 or 32 bits.
func operationAddress(c *CPU, in *inst) bool {
	a := c.r[in.base&regMask] + c.r[in.index&regMask]<<(in.scale&3) + in.disp
	c.r[regAddress] = truncate(a, in.asize) + c.r[in.seg&regMask]
	return true
}
