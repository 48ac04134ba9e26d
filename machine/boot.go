package machine

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Where the loaders put what a boot image is handed. gokvm uses the same
// places for boot parameters, command line and page tables, so that an image
// that comes up in one comes up in the other.
const (
	bootGDT        physmem.Address = 0x500
	bootStartInfo  physmem.Address = 0x6000
	bootModules    physmem.Address = 0x6100
	bootMemoryMap  physmem.Address = 0x7000
	bootStack      physmem.Address = 0xfff0
	bootParameters physmem.Address = 0x10000
	bootCommand    physmem.Address = 0x20000
	bootPageTables physmem.Address = 0x30000
	bootLowEnd     physmem.Address = 0x36000 // the first address after all of these

	maxCommandLine = 0x4000

	biosDataStart physmem.Address = 0x9fc00 // EBDA, video memory and ROM of a PC
	biosDataEnd   physmem.Address = 0x100000
	identityEnd   physmem.Address = 1 << 32 // what the identity map covers
)

// Selectors of the Linux boot protocol: __BOOT_CS and __BOOT_DS.
const (
	bootCodeSelector = 0x10
	bootDataSelector = 0x18
)

// ErrBadImage says that a boot image cannot be loaded.
var ErrBadImage = errors.New("bad boot image")

// loader writes a boot image and its parameters into memory.
type loader struct {
	memory physmem.Memory
	ram    physmem.Ranges
	boot   Boot
	image  *elf.File
	free   physmem.Ranges // where nothing was loaded yet, below identityEnd
	placed []placedModule
}

type placedModule struct {
	at      physmem.Address
	size    uint64
	command physmem.Address
}

// load reads the ELF file and puts segments, command line and modules into
// memory.
func load(memory physmem.Memory, ram physmem.Ranges, boot Boot) (*loader, error) {
	low := physmem.Range{Start: 0, End: bootLowEnd}
	if !ram.ContainsRange(low) {
		return nil, fmt.Errorf("boot parameters need RAM at %v, which is %v", low, ram)
	}
	image, err := elf.NewFile(bytes.NewReader(boot.Image))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadImage, err)
	}
	if image.Class != elf.ELFCLASS64 || image.Machine != elf.EM_X86_64 {
		return nil, fmt.Errorf("%w: %v for %v, not ELF64 for x86-64", ErrBadImage, image.Class, image.Machine)
	}
	if len(boot.CommandLine) >= maxCommandLine {
		return nil, fmt.Errorf("command line of %d bytes is longer than %d", len(boot.CommandLine), maxCommandLine-1)
	}
	l := &loader{memory: memory, ram: ram, boot: boot, image: image}
	l.free = FirmwareRAM(ram).Minus(physmem.Ranges{low}).Intersect(physmem.Ranges{{Start: 0, End: identityEnd}})
	if err := l.loadSegments(); err != nil {
		return nil, err
	}
	if err := l.write(bootCommand, append([]byte(boot.CommandLine), 0)); err != nil {
		return nil, err
	}
	for i, m := range boot.Modules {
		if err := l.loadModule(m); err != nil {
			return nil, fmt.Errorf("module %d: %w", i, err)
		}
	}
	return l, nil
}

// loadSegments copies every PT_LOAD segment to its physical address and
// clears what its size in memory has more.
func (l *loader) loadSegments() error {
	loaded := 0
	for i, p := range l.image.Progs {
		if p.Type != elf.PT_LOAD || p.Memsz == 0 {
			continue
		}
		to, ok := physmem.NewRange(physmem.Address(p.Paddr), p.Memsz)
		if !ok || p.Filesz > p.Memsz || p.Filesz > uint64(len(l.boot.Image)) || !l.free.ContainsRange(to) {
			return fmt.Errorf("%w: segment %d, %#x bytes at %#x, does not fit into %v", ErrBadImage, i, p.Memsz, p.Paddr, l.free)
		}
		data := make([]byte, p.Filesz)
		if _, err := p.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: segment %d: %w", ErrBadImage, i, err)
		}
		if err := l.write(to.Start, data); err != nil {
			return err
		}
		if err := l.clear(physmem.Range{Start: to.Start + physmem.Address(p.Filesz), End: to.End}); err != nil {
			return err
		}
		l.free = l.free.Minus(physmem.Ranges{to.AlignOutward(PageSize)})
		loaded++
	}
	if loaded == 0 {
		return fmt.Errorf("%w: no segment to load", ErrBadImage)
	}
	return nil
}

// clear writes zeros where memory is not zero, so that sparse memory stays so.
func (l *loader) clear(r physmem.Range) error {
	page, zeros := make([]byte, PageSize), make([]byte, PageSize)
	for at := r.Start; at < r.End; {
		n := min(int(r.End-at), PageSize-int(at%PageSize))
		if _, err := l.memory.ReadPhysical(page[:n], at); err != nil {
			return err
		}
		if !bytes.Equal(page[:n], zeros[:n]) {
			if err := l.write(at, zeros[:n]); err != nil {
				return err
			}
		}
		at += physmem.Address(n)
	}
	return nil
}

// loadModule puts a module, followed by its command line, as high as it fits.
func (l *loader) loadModule(m Module) error {
	data := append(append(bytes.Clone(m.Data), m.CommandLine...), 0)
	at, err := l.free.AlignInward(PageSize).FindSpace((uint64(len(data))+PageSize-1)&^(PageSize-1), physmem.WithAlignment(PageSize), physmem.Highest())
	if err != nil {
		return err
	}
	if err := l.write(at.Start, data); err != nil {
		return err
	}
	l.free = l.free.Minus(physmem.Ranges{at})
	size := uint64(len(m.Data))
	l.placed = append(l.placed, placedModule{at.Start, size, at.Start + physmem.Address(size)})
	return nil
}

func (l *loader) write(at physmem.Address, p []byte) error {
	if _, err := l.memory.WritePhysical(p, at); err != nil {
		return fmt.Errorf("load boot image: %w", err)
	}
	return nil
}

// FirmwareRAM is what a PC's firmware reports of ram as usable: all but the
// extended BIOS data area, video memory and ROM below 1 MiB.
func FirmwareRAM(ram physmem.Ranges) physmem.Ranges {
	return ram.Minus(physmem.Ranges{{Start: biosDataStart, End: biosDataEnd}})
}

// LoadLinux64 loads an ELF64 file by the Linux 64-bit boot protocol
// (Documentation/arch/x86/boot.rst): long mode, the lowest 4 GiB identity
// mapped, interrupts off, RSI = boot_params with the memory map, the command
// line and at most one module as the initrd. The state is CPU 0's at e_entry.
func LoadLinux64(memory physmem.Memory, ram physmem.Ranges, boot Boot) (*AMD64State, error) {
	if len(boot.Modules) > 1 {
		return nil, fmt.Errorf("%d modules: the Linux boot protocol has one initrd: %w", len(boot.Modules), ErrUnsupported)
	}
	l, err := load(memory, ram, boot)
	if err != nil {
		return nil, err
	}
	if err := l.write(bootParameters, l.bootParams()); err != nil {
		return nil, err
	}
	if err := WriteIdentityTables(memory, bootPageTables); err != nil {
		return nil, err
	}
	gdt := bootGDTEntries(true)
	if err := l.write(bootGDT, gdt); err != nil {
		return nil, err
	}
	s := LongModeState(l.image.Entry, bootPageTables)
	s.GDTR = DescriptorTable{Base: uint64(bootGDT), Limit: uint16(len(gdt) - 1)}
	s.Registers[RSP] = uint64(bootStack)
	s.Registers[RSI] = uint64(bootParameters)
	return s, nil
}

// Offsets into boot_params (Linux arch/x86/include/uapi/asm/bootparam.h).
const (
	paramRSDP       = 0x070
	paramExtRamdisk = 0x0c0
	paramExtRamSize = 0x0c4
	paramExtCommand = 0x0c8
	paramE820Count  = 0x1e8
	paramBootFlag   = 0x1fe
	paramHeader     = 0x202
	paramVersion    = 0x206
	paramLoader     = 0x210
	paramLoadFlags  = 0x211
	paramRamdisk    = 0x218
	paramRamSize    = 0x21c
	paramCommand    = 0x228
	paramCommandLen = 0x238
	paramE820       = 0x2d0
	paramE820Max    = 128
	paramSize       = 4096

	e820RAM      = 1
	e820Reserved = 2
)

func (l *loader) bootParams() []byte {
	p := make([]byte, paramSize)
	order := binary.LittleEndian
	order.PutUint64(p[paramRSDP:], uint64(l.boot.RSDP))
	order.PutUint16(p[paramBootFlag:], 0xaa55)
	copy(p[paramHeader:], "HdrS")
	order.PutUint16(p[paramVersion:], 0x020f)
	p[paramLoader] = 0xff           // a boot loader without a number
	p[paramLoadFlags] = 1<<0 | 1<<6 // LOADED_HIGH, KEEP_SEGMENTS
	order.PutUint32(p[paramCommand:], uint32(bootCommand))
	order.PutUint32(p[paramCommandLen:], uint32(len(l.boot.CommandLine)))
	if len(l.placed) == 1 {
		initrd := l.placed[0]
		order.PutUint32(p[paramRamdisk:], uint32(initrd.at))
		order.PutUint32(p[paramExtRamdisk:], uint32(initrd.at>>32))
		order.PutUint32(p[paramRamSize:], uint32(initrd.size))
		order.PutUint32(p[paramExtRamSize:], uint32(initrd.size>>32))
	}
	entries := firmwareMap(l.ram)
	entries = entries[:min(len(entries), paramE820Max)]
	p[paramE820Count] = byte(len(entries))
	for i, e := range entries {
		entry := p[paramE820+20*i:]
		order.PutUint64(entry, uint64(e.Range.Start))
		order.PutUint64(entry[8:], e.Range.Size())
		order.PutUint32(entry[16:], e.kind)
	}
	return p
}

type firmwareEntry struct {
	physmem.Range
	kind uint32 // an E820 type
}

// firmwareMap is the E820 map of ram.
func firmwareMap(ram physmem.Ranges) []firmwareEntry {
	bios := physmem.Ranges{{Start: biosDataStart, End: biosDataEnd}}
	var entries []firmwareEntry
	for _, r := range ram.Intersect(physmem.Ranges{{Start: 0, End: biosDataStart}}) {
		entries = append(entries, firmwareEntry{r, e820RAM})
	}
	for _, r := range ram.Intersect(bios) {
		entries = append(entries, firmwareEntry{r, e820Reserved})
	}
	for _, r := range ram.Intersect(physmem.Ranges{{Start: biosDataEnd, End: physmem.MaxAddress}}) {
		entries = append(entries, firmwareEntry{r, e820RAM})
	}
	return entries
}
