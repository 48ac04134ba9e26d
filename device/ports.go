package device

// PortFunctions are a program's access to I/O ports (amd64). All must be set.
type PortFunctions struct {
	In8   func(port uint16) uint8
	In16  func(port uint16) uint16
	In32  func(port uint16) uint32
	Out8  func(port uint16, v uint8)
	Out16 func(port uint16, v uint16)
	Out32 func(port uint16, v uint32)
}

// At are the ports from base on, count of them.
func (f *PortFunctions) At(base, count uint16) *Ports { return &Ports{f, base, count} }

// Ports are registers at I/O ports. They are 32 bits wide at most.
type Ports struct {
	functions   *PortFunctions
	base, count uint16
}

var _ Registers = (*Ports)(nil)

// inside reports whether an access lies in the window.
func (p *Ports) inside(offset, width uint64) bool {
	return offset < uint64(p.count) && width <= uint64(p.count)-offset && uint64(p.base)+offset+width <= 1<<16
}

// Read8 implements Registers.
func (p *Ports) Read8(offset uint64) uint8 {
	if !p.inside(offset, 1) {
		return 0xff
	}
	return p.functions.In8(p.base + uint16(offset))
}

// Read16 implements Registers.
func (p *Ports) Read16(offset uint64) uint16 {
	if !p.inside(offset, 2) {
		return 0xffff
	}
	return p.functions.In16(p.base + uint16(offset))
}

// Read32 implements Registers.
func (p *Ports) Read32(offset uint64) uint32 {
	if !p.inside(offset, 4) {
		return 0xffff_ffff
	}
	return p.functions.In32(p.base + uint16(offset))
}

// Read64 implements Registers.
func (p *Ports) Read64(offset uint64) uint64 {
	low := p.Read32(offset)
	return uint64(p.Read32(offset+4))<<32 | uint64(low)
}

// Write8 implements Registers.
func (p *Ports) Write8(offset uint64, v uint8) {
	if p.inside(offset, 1) {
		p.functions.Out8(p.base+uint16(offset), v)
	}
}

// Write16 implements Registers.
func (p *Ports) Write16(offset uint64, v uint16) {
	if p.inside(offset, 2) {
		p.functions.Out16(p.base+uint16(offset), v)
	}
}

// Write32 implements Registers.
func (p *Ports) Write32(offset uint64, v uint32) {
	if p.inside(offset, 4) {
		p.functions.Out32(p.base+uint16(offset), v)
	}
}

// Write64 implements Registers.
func (p *Ports) Write64(offset uint64, v uint64) {
	p.Write32(offset, uint32(v))
	p.Write32(offset+4, uint32(v>>32))
}
