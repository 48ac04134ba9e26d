//go:build linux && (amd64 || arm64)

package kernel

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// FirmwareMemory is RAM, and the memory beside it that firmware has left tables
// in: ACPI's, a device tree. It can be read only. Pages that are not RAM are
// mapped when they are read first, and stay so.
type FirmwareMemory struct {
	ram *PhysicalMemory

	mu    sync.Mutex
	pages map[physmem.Address]uintptr
}

// Firmware is the memory that firmware's tables are in.
func Firmware() (*FirmwareMemory, error) {
	ram, err := Memory()
	if err != nil {
		return nil, err
	}
	return &FirmwareMemory{ram: ram, pages: map[physmem.Address]uintptr{}}, nil
}

// ReadPhysical implements physmem.Reader.
func (m *FirmwareMemory) ReadPhysical(p []byte, address physmem.Address) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n < len(p) {
		at := address + physmem.Address(n)
		page := at.AlignDown(pageSize)
		part := p[n:min(len(p), n+int(page+pageSize-at))]
		if m.ram.Ranges().ContainsRange(physmem.Range{Start: page, End: page + pageSize}) {
			_, err = m.ram.ReadPhysical(part, at)
		} else {
			err = m.read(part, page, uintptr(at-page))
		}
		if err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// read reads a part of a page that is not RAM.
func (m *FirmwareMemory) read(p []byte, page physmem.Address, offset uintptr) error {
	mapped, ok := m.pages[page]
	if !ok {
		r := physmem.Range{Start: page, End: page + pageSize}
		if !k.facts.tables(uintptr(page)) {
			return &physmem.AccessError{Operation: "read", Range: r, Err: physmem.ErrOutside}
		}
		var err error
		if mapped, err = call(callMapDevice, uintptr(page), pageSize, 1, 0); err != nil {
			return fmt.Errorf("map memory of firmware %v: %w", r, err)
		}
		m.pages[page] = mapped
	}
	copy(p, bytesAt(mapped+offset, uintptr(len(p))))
	return nil
}

// firmwareFacts fills in what firmware left, for the rescue program.
func firmwareFacts(f *handoff.HostFacts) error {
	e := &k.facts.efi
	if e.mapSize != 0 {
		f.EFIMap = bytes.Clone(bytesAt(e.memory, e.mapSize))
		f.EFIDescriptorSize, f.EFIDescriptorVersion = uint32(e.descriptor), uint32(e.version)
		f.EFISystem = physmem.Address(e.system)
	}
	if k.facts.tree.size == 0 {
		return nil
	}
	memory, err := Firmware()
	if err != nil {
		return err
	}
	f.DeviceTree = make([]byte, k.facts.tree.size)
	if _, err := memory.ReadPhysical(f.DeviceTree, physmem.Address(k.facts.tree.physical)); err != nil {
		return fmt.Errorf("device tree: %w", err)
	}
	return nil
}
