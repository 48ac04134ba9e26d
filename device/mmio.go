package device

// MMIO are registers that are mapped into the program's address space as
// device memory.
type MMIO struct {
	address uintptr
	size    uint64
}

var _ Registers = (*MMIO)(nil)

// NewMMIO makes registers of size bytes at a virtual address.
func NewMMIO(address uintptr, size uint64) *MMIO { return &MMIO{address, size} }

// at is the address of an access of width bytes, or 0 where it lies outside, or
// is not aligned: arm64 has no such accesses to device memory.
func (m *MMIO) at(offset, width uint64) uintptr {
	if offset >= m.size || width > m.size-offset || (uint64(m.address)+offset)&(width-1) != 0 {
		return 0
	}
	return m.address + uintptr(offset)
}

// Read8 implements Registers.
func (m *MMIO) Read8(offset uint64) uint8 {
	if a := m.at(offset, 1); a != 0 {
		return load8(a)
	}
	return 0xff
}

// Read16 implements Registers.
func (m *MMIO) Read16(offset uint64) uint16 {
	if a := m.at(offset, 2); a != 0 {
		return load16(a)
	}
	return 0xffff
}

// Read32 implements Registers.
func (m *MMIO) Read32(offset uint64) uint32 {
	if a := m.at(offset, 4); a != 0 {
		return load32(a)
	}
	return 0xffff_ffff
}

// Read64 implements Registers.
func (m *MMIO) Read64(offset uint64) uint64 {
	if a := m.at(offset, 8); a != 0 {
		return load64(a)
	}
	return 0xffff_ffff_ffff_ffff
}

// Write8 implements Registers.
func (m *MMIO) Write8(offset uint64, v uint8) {
	if a := m.at(offset, 1); a != 0 {
		store8(a, v)
	}
}

// Write16 implements Registers.
func (m *MMIO) Write16(offset uint64, v uint16) {
	if a := m.at(offset, 2); a != 0 {
		store16(a, v)
	}
}

// Write32 implements Registers.
func (m *MMIO) Write32(offset uint64, v uint32) {
	if a := m.at(offset, 4); a != 0 {
		store32(a, v)
	}
}

// Write64 implements Registers.
func (m *MMIO) Write64(offset uint64, v uint64) {
	if a := m.at(offset, 8); a != 0 {
		store64(a, v)
	}
}
