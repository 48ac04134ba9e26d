//go:build linux && (amd64 || arm64)

package kernel

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"unicode/utf16"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// runtimeFrame is one call of a runtime service, for runtimeEnter.
type runtimeFrame struct {
	root                                uintptr // of the tables that the service runs on
	stack                               uintptr // its top
	function                            uintptr
	first, second, third, fourth, fifth uintptr // arguments
	status                              uintptr
	saved                               [8]uintptr
}

func runtimeEnter()
func runtimeAddress() uintptr

var _ = runtimeEnter // whose address assembly takes

// Offsets in EFI_RUNTIME_SERVICES (UEFI 2.10, 4.5).
const (
	serviceGet = 72
	serviceSet = 88
)

// Layout of the memory that a service and the kernel share, at its physical
// addresses for the service: name, GUID, the arguments that are returned, data,
// and the stack at the end (2.3.4: at least 4 KiB).
const (
	sharedName       = 0x000
	sharedGUID       = 0x800
	sharedAttributes = 0x810
	sharedSize       = 0x818
	sharedData       = 0x1000
	sharedStack      = sharedData + MaxEFIVariable
	sharedBytes      = sharedStack + 32<<10
)

// EFIVariables are the variables of EFI's firmware, by its runtime services. They
// run in ring 0 or EL1 on page tables of their own: their memory at its physical
// addresses, beside what the kernel maps, so that a fault in them is the kernel's. A
// service that hangs hangs the machine. Methods may be called from any goroutine.
type EFIVariables struct {
	mu       sync.Mutex
	shared   physmem.Range
	root     physmem.Address
	get, set uintptr
}

// NewEFIVariables finds the services and makes the tables. The memory for them, some
// 120 KiB, is never given back. ErrNoEFI: firmware was none of EFI, or has no such
// services where its memory map says that they could be.
func NewEFIVariables() (*EFIVariables, error) {
	if !Running() {
		return nil, ErrNotRunning
	}
	if k.facts.efi.runtime == 0 {
		return nil, ErrNoEFI
	}
	v := &EFIVariables{}
	if err := v.open(); err != nil {
		return nil, fmt.Errorf("EFI runtime services: %w", err)
	}
	return v, nil
}

func (v *EFIVariables) open() error {
	memory, err := Firmware()
	if err != nil {
		return err
	}
	var table [serviceSet + 8]byte
	if _, err := memory.ReadPhysical(table[:], physmem.Address(k.facts.efi.runtime)); err != nil {
		return err
	}
	v.get = uintptr(binary.LittleEndian.Uint64(table[serviceGet:]))
	v.set = uintptr(binary.LittleEndian.Uint64(table[serviceSet:]))
	for _, service := range []uintptr{v.get, v.set} {
		if !slices.ContainsFunc(v.regions(), func(r runtimeRegion) bool { return !r.device && r.Contains(physmem.Address(service)) }) {
			return fmt.Errorf("service at %#x, which is no memory of firmware's: %w", service, ErrNoEFI)
		}
	}
	if v.shared, err = Allocate(sharedBytes, pageSize); err != nil {
		return err
	}
	v.root, err = runtimeTables(memory.ram, v.regions())
	return err
}

// runtimeRegion is memory that services use.
type runtimeRegion struct {
	physmem.Range
	device bool
}

// regions are what the memory map wants mapped for them (UEFI 2.10, 7.2.3,
// EFI_MEMORY_RUNTIME), and the shared memory.
func (v *EFIVariables) regions() []runtimeRegion {
	const atRuntime = 1 << 63
	e := &k.facts.efi
	list := []runtimeRegion{{Range: v.shared}}
	for at := e.memory; at+e.descriptor <= e.memory+e.mapSize; at += e.descriptor {
		attribute, pages := uint64(load64(at+efiAttribute)), uint64(load64(at+efiPages))
		r, ok := physmem.NewRange(physmem.Address(load64(at+efiStart)), pages*pageSize)
		if attribute&atRuntime != 0 && ok && pages < 1<<40 && !r.IsEmpty() {
			list = append(list, runtimeRegion{r, attribute&efiWriteBack == 0})
		}
	}
	return list
}

// Get reads a variable and its attributes. The error of one that is not there is
// EFINotFound.
func (v *EFIVariables) Get(name string, guid [16]byte) (data []byte, attributes uint32, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	shared, err := v.prepare(name, guid)
	if err != nil {
		return nil, 0, err
	}
	binary.LittleEndian.PutUint64(shared[sharedSize:], MaxEFIVariable)
	err = v.call(v.get, sharedName, sharedGUID, sharedAttributes, sharedSize, sharedData)
	if err != nil {
		return nil, 0, fmt.Errorf("get EFI variable %q: %w", name, err)
	}
	size := min(binary.LittleEndian.Uint64(shared[sharedSize:]), MaxEFIVariable)
	return append([]byte(nil), shared[sharedData:][:size]...), binary.LittleEndian.Uint32(shared[sharedAttributes:]), nil
}

// Set writes a variable; without data it is deleted. Attributes are those of EFI:
// EFIVariableDurable for one that outlives a reset.
func (v *EFIVariables) Set(name string, guid [16]byte, attributes uint32, data []byte) error {
	if len(data) > MaxEFIVariable {
		return fmt.Errorf("set EFI variable %q: %d bytes, at most %d: %w", name, len(data), MaxEFIVariable, errEFIName)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	shared, err := v.prepare(name, guid)
	if err != nil {
		return err
	}
	copy(shared[sharedData:], data)
	if err := v.callSet(attributes, len(data)); err != nil {
		return fmt.Errorf("set EFI variable %q: %w", name, err)
	}
	return nil
}

// prepare writes name and GUID into the shared memory.
func (v *EFIVariables) prepare(name string, guid [16]byte) ([]byte, error) {
	units := utf16.Encode([]rune(name + "\x00"))
	if 2*len(units) > sharedGUID {
		return nil, fmt.Errorf("EFI variable's name of %d characters: %w", len(units)-1, errEFIName)
	}
	shared := bytesAt(virtual(uintptr(v.shared.Start)), sharedBytes)
	for i, unit := range units {
		binary.LittleEndian.PutUint16(shared[sharedName+2*i:], unit)
	}
	copy(shared[sharedGUID:], guid[:])
	return shared, nil
}

// call calls a service with offsets into the shared memory.
func (v *EFIVariables) call(function uintptr, offsets ...uintptr) error {
	var a [5]uintptr
	for i, offset := range offsets {
		a[i] = uintptr(v.shared.Start) + offset
	}
	return v.enter(function, a)
}

// callSet calls SetVariable, two of whose arguments are numbers.
func (v *EFIVariables) callSet(attributes uint32, size int) error {
	at := uintptr(v.shared.Start)
	return v.enter(v.set, [5]uintptr{at + sharedName, at + sharedGUID, uintptr(attributes), uintptr(size), at + sharedData})
}

func (v *EFIVariables) enter(function uintptr, a [5]uintptr) error {
	f := &k.runtime
	f.saved = [8]uintptr{}
	f.root, f.stack, f.function = uintptr(v.root), uintptr(v.shared.End), function
	f.first, f.second, f.third, f.fourth, f.fifth = a[0], a[1], a[2], a[3], a[4]
	if _, err := call(callEnter, runtimeAddress(), addressOf(f), 0, 0); err != nil {
		return err
	}
	if f.status != 0 {
		return EFIStatus(f.status)
	}
	return nil
}

// tableAllocator takes page tables from the kernel.
type tableAllocator struct{}

// AllocateTable implements the builders' Allocator.
func (tableAllocator) AllocateTable(size uint64) (physmem.Address, error) {
	r, err := Allocate(size, size)
	return r.Start, err
}

// shareKernel copies the entries of the kernel's root table that are not the first
// into another root: what the kernel maps.
func shareKernel(memory *PhysicalMemory, kernel, root physmem.Address) error {
	const first = 8
	entries := make([]byte, pageSize-first)
	if _, err := memory.ReadPhysical(entries, kernel+first); err != nil {
		return err
	}
	_, err := memory.WritePhysical(entries, root+first)
	return err
}
