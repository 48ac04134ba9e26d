package machine

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Fields of the header of an arm64 Image (Linux
// Documentation/arch/arm64/booting.rst).
const (
	imageHeaderSize  = 64
	imageTextOffset  = 8  // u64
	imageMemorySize  = 16 // u64
	imageMagicOffset = 56
	imageMagic       = "ARM\x64"
)

const (
	imageAlignment   = 2 << 20         // what text_offset is relative to, and the distance of a tree from what lies before it
	imageLoaderSize  = PageSize        // of what QEMU has at the beginning of RAM
	initrdMostOffset = 128 << 20       // from the beginning of RAM
	maxTree          = imageAlignment  // a tree must not cross such a boundary
	imageMostSize    = uint64(1) << 40 // so that nothing wraps
)

// ARM64Boot is where LoadARM64 has put things. The Image is entered at its first
// byte with X0 the address of the tree, the MMU off and everything masked.
type ARM64Boot struct {
	Entry, Tree physmem.Address
	Initrd      physmem.Range // empty: there is none
}

// LoadARM64 loads an arm64 Image, its initrd (at most one module, without a
// command line) and its device tree to where QEMU's boards have them
// (hw/arm/boot.c): the Image text_offset above the beginning of RAM, or 2 MiB
// further where that is less than a page; the initrd in the middle of RAM, at
// most 128 MiB from its beginning, or behind the Image; the tree behind it, at
// 2 MiB. tree makes the tree, which tells of command line and initrd.
func LoadARM64(memory physmem.Memory, ram physmem.Ranges, boot Boot, tree func(initrd physmem.Range) ([]byte, error)) (ARM64Boot, error) {
	var b ARM64Boot
	if err := CheckRAM(ram); err != nil {
		return b, err
	}
	if len(boot.Modules) > 1 || len(boot.Modules) == 1 && boot.Modules[0].CommandLine != "" {
		return b, fmt.Errorf("%d modules, or one with a command line: an Image has one initrd: %w", len(boot.Modules), ErrUnsupported)
	}
	image, err := placeImage(ram[0].Start, boot.Image)
	if err != nil {
		return b, err
	}
	l := &loader{memory: memory, ram: ram, free: ram}
	if err := l.put("the Image", image.Start, boot.Image, image.Size()); err != nil {
		return b, err
	}
	b.Entry = image.Start
	half := min(ram[0].Size()/2, initrdMostOffset)
	at := max(ram[0].Start+physmem.Address(half), image.End).AlignUp(PageSize)
	if len(boot.Modules) == 1 {
		data := boot.Modules[0].Data
		b.Initrd = physmem.Range{Start: at, End: at + physmem.Address(len(data))}
		if err := l.put("the initrd", at, data, b.Initrd.Size()); err != nil {
			return b, err
		}
		at = b.Initrd.End
	}
	data, err := tree(b.Initrd)
	if err != nil {
		return b, err
	}
	if len(data) > maxTree {
		return b, fmt.Errorf("a device tree of %d bytes, at most %d: %w", len(data), maxTree, ErrUnsupported)
	}
	b.Tree = at.AlignUp(imageAlignment)
	return b, l.put("the device tree", b.Tree, data, uint64(len(data)))
}

// placeImage is where an Image goes, in RAM from base on.
func placeImage(base physmem.Address, image []byte) (physmem.Range, error) {
	if len(image) < imageHeaderSize || !bytes.Equal(image[imageMagicOffset:][:len(imageMagic)], []byte(imageMagic)) {
		return physmem.Range{}, fmt.Errorf("%w: not an arm64 Image", ErrBadImage)
	}
	offset := binary.LittleEndian.Uint64(image[imageTextOffset:])
	size := max(binary.LittleEndian.Uint64(image[imageMemorySize:]), uint64(len(image)))
	if offset >= imageMostSize || size >= imageMostSize {
		return physmem.Range{}, fmt.Errorf("%w: %#x bytes at %#x", ErrBadImage, size, offset)
	}
	if offset < imageLoaderSize {
		offset += imageAlignment
	}
	start := base + physmem.Address(offset)
	return physmem.Range{Start: start, End: start + physmem.Address(size)}, nil
}

// put writes data to where nothing was put before. size is what it takes.
func (l *loader) put(what string, at physmem.Address, data []byte, size uint64) error {
	to := physmem.Range{Start: at, End: at + physmem.Address(size)}
	if !to.IsEmpty() && !l.free.ContainsRange(to) {
		return fmt.Errorf("%s, %v, does not fit into %v: %w", what, to, l.free, ErrBadImage)
	}
	if err := l.write(at, data); err != nil {
		return err
	}
	l.free = l.free.Minus(physmem.Ranges{to.AlignOutward(PageSize)})
	return nil
}
