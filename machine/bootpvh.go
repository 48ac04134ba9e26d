package machine

import (
	"debug/elf"
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// The PVH note and start_info (Xen include/public/elfnote.h and
// include/public/arch-x86/hvm/start_info.h, version 1).
const (
	pvhNoteType  = 18 // XEN_ELFNOTE_PHYS32_ENTRY
	pvhMagic     = 0x336ec578
	pvhVersion   = 1
	pvhEntrySize = 24 // of the memory map
	pvhMaxMap    = (int(bootParameters) - int(bootMemoryMap) - 0x1000) / pvhEntrySize
	pvhMaxModule = (int(bootMemoryMap) - int(bootModules)) / 32
)

// LoadPVH loads an ELF64 file by the PVH protocol: 32-bit protected mode
// without paging at the entry that the file's Xen note names, EBX =
// hvm_start_info. The state is CPU 0's there.
func LoadPVH(memory physmem.Memory, ram physmem.Ranges, boot Boot) (*AMD64State, error) {
	l, err := load(memory, ram, boot)
	if err != nil {
		return nil, err
	}
	entry, err := pvhEntry(l.image)
	if err != nil {
		return nil, err
	}
	if len(l.placed) > pvhMaxModule {
		return nil, fmt.Errorf("%d modules, more than %d: %w", len(l.placed), pvhMaxModule, ErrUnsupported)
	}
	if err := l.writeStartInfo(); err != nil {
		return nil, err
	}
	gdt := bootGDTEntries(false)
	if err := l.write(bootGDT, gdt); err != nil {
		return nil, err
	}
	s := resetState(uint64(entry))
	s.GDTR = DescriptorTable{Base: uint64(bootGDT), Limit: uint16(len(gdt) - 1)}
	s.Registers[RBX] = uint64(bootStartInfo)
	return s, nil
}

func (l *loader) writeStartInfo() error {
	order := binary.LittleEndian
	var modules, entries []byte
	for _, m := range l.placed {
		modules = order.AppendUint64(modules, uint64(m.at))
		modules = order.AppendUint64(modules, m.size)
		modules = order.AppendUint64(modules, uint64(m.command))
		modules = order.AppendUint64(modules, 0)
	}
	ram := firmwareMap(l.ram)
	ram = ram[:min(len(ram), pvhMaxMap)]
	for _, e := range ram {
		entries = order.AppendUint64(entries, uint64(e.Range.Start))
		entries = order.AppendUint64(entries, e.Range.Size())
		entries = order.AppendUint64(entries, uint64(e.kind)) // type, 32 bits reserved
	}
	var info []byte
	info = order.AppendUint32(info, pvhMagic)
	info = order.AppendUint32(info, pvhVersion)
	info = order.AppendUint32(info, 0) // flags
	info = order.AppendUint32(info, uint32(len(l.placed)))
	info = order.AppendUint64(info, uint64(bootModules))
	info = order.AppendUint64(info, uint64(bootCommand))
	info = order.AppendUint64(info, uint64(l.boot.RSDP))
	info = order.AppendUint64(info, uint64(bootMemoryMap))
	info = order.AppendUint32(info, uint32(len(ram)))
	info = order.AppendUint32(info, 0)
	for _, w := range []struct {
		at physmem.Address
		p  []byte
	}{{bootStartInfo, info}, {bootModules, modules}, {bootMemoryMap, entries}} {
		if err := l.write(w.at, w.p); err != nil {
			return err
		}
	}
	return nil
}

// pvhEntry finds the physical 32-bit entry in a file's notes.
func pvhEntry(image *elf.File) (uint32, error) {
	for _, p := range image.Progs {
		if p.Type != elf.PT_NOTE || p.Filesz > 1<<16 {
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			return 0, fmt.Errorf("%w: notes: %w", ErrBadImage, err)
		}
		if entry, ok := findPVHNote(b); ok {
			return entry, nil
		}
	}
	return 0, fmt.Errorf("%w: no PVH entry note", ErrBadImage)
}

func findPVHNote(b []byte) (uint32, bool) {
	order := binary.LittleEndian
	align := func(n uint32) uint64 { return (uint64(n) + 3) &^ 3 }
	for len(b) >= 12 {
		name, desc, kind := order.Uint32(b), order.Uint32(b[4:]), order.Uint32(b[8:])
		body := b[12:]
		if align(name)+align(desc) > uint64(len(body)) {
			return 0, false
		}
		if kind == pvhNoteType && desc >= 4 && string(body[:name]) == "Xen\x00" {
			return order.Uint32(body[align(name):]), true
		}
		b = body[align(name)+align(desc):]
	}
	return 0, false
}
