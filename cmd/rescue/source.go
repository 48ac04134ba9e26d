package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/imagebuild"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// maxImageFile is the largest file that is read as an image: DWARF included.
const maxImageFile = 1 << 30

// source is what images are built for: packages, that is.
type source struct {
	architecture handoff.Architecture
	tags         []string
}

// image reads the image that an argument names: a file, or a package, which is
// built.
func (p *program) image(ctx context.Context, name string, from source) ([]byte, error) {
	path := name
	if !isFile(name) || strings.HasSuffix(name, ".go") {
		r, err := imagebuild.Cached(ctx, p.cache, imagebuild.Options{Package: name, Tags: from.tags, Architecture: from.architecture})
		if err != nil {
			return nil, err
		}
		p.warn("built %s in %v: %s, %s", name, r.Took.Round(10*time.Millisecond), r.Image, size(r.ImageSize))
		path = r.Image
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxImageFile {
		return nil, fmt.Errorf("%s: %s, an image has at most %s: %w", path, size(info.Size()), size(maxImageFile), errNotOurs)
	}
	return os.ReadFile(path)
}

// hostImage is a host's image as a file that boots, and what it is for, which a
// file says of itself.
func (p *program) hostImage(ctx context.Context, name string, from source) ([]byte, handoff.Architecture, error) {
	data, err := p.image(ctx, name, from)
	if err != nil {
		return nil, 0, err
	}
	if block, _, ok := bootBlock(data); ok {
		return data, block.Architecture, nil
	}
	wrapped, err := bootimage.Wrap(bytes.NewReader(data), bootimage.Options{})
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", name, err)
	}
	block, _, ok := bootBlock(wrapped)
	if !ok {
		return nil, 0, fmt.Errorf("%s: wrapped, it has no block: %w", name, errNotOurs)
	}
	return wrapped, block.Architecture, nil
}

// rescueImage is a rescue program's image. What is wrong with it would be found
// by the host when it arms; a user is told at once.
func (p *program) rescueImage(ctx context.Context, name string, from source) ([]byte, error) {
	data, err := p.image(ctx, name, from)
	if err != nil {
		return nil, err
	}
	image, err := reserve.OpenImage(bytes.NewReader(data))
	if err != nil {
		if _, _, ok := bootBlock(data); ok {
			return nil, fmt.Errorf("%s: it is a boot image; a host arms the image that it was made of: %w", name, errNotOurs)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if want := from.architecture; image.Architecture != want && (want != 0 || image.Architecture != handoff.AMD64) {
		return nil, usagef("%s is for %v, not for %v", name, image.Architecture, max(want, handoff.AMD64))
	}
	return data, nil
}

// bootBlock finds the block at the start of a boot image: an ELF file whose
// first loaded bytes are one, or an arm64 Image or an EFI application with one
// behind its header.
func bootBlock(data []byte) (block *handoff.Block, payload []byte, ok bool) {
	if isARM64Image(data) {
		if len(data) < bootimage.ARM64HeaderSize {
			return nil, nil, false
		}
		return blockAt(data[bootimage.ARM64HeaderSize:])
	}
	if isEFIApplication(data) {
		if len(data) < bootimage.EFIHeaderSize {
			return nil, nil, false
		}
		return blockAt(data[bootimage.EFIHeaderSize:])
	}
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, nil, false
	}
	for _, s := range file.Progs {
		if s.Type != elf.PT_LOAD {
			continue
		}
		if s.Off > uint64(len(data)) || s.Filesz > uint64(len(data))-s.Off {
			return nil, nil, false
		}
		block, payload, ok = blockAt(data[s.Off : s.Off+s.Filesz])
		return block, payload, ok && uint64(block.Reservation.Start) == s.Paddr
	}
	return nil, nil, false
}

// isARM64Image reports whether data begin as an arm64 Image does (Linux
// Documentation/arch/arm64/booting.rst).
func isARM64Image(data []byte) bool {
	const magicOffset = 56
	return len(data) >= 64 && string(data[magicOffset:magicOffset+4]) == "ARM\x64"
}

// isEFIApplication reports whether data begin as bootimage.WrapEFI makes an EFI
// application: a DOS header, and that of a PE file behind it.
func isEFIApplication(data []byte) bool {
	const peAt, peOffset = 0x3c, 0x40
	return len(data) >= peOffset && string(data[:2]) == "MZ" && binary.LittleEndian.Uint32(data[peAt:]) == peOffset
}

// blockAt is the block that payload begins with.
func blockAt(payload []byte) (*handoff.Block, []byte, bool) {
	if len(payload) < handoff.HeaderLength || binary.LittleEndian.Uint64(payload) != handoff.Magic {
		return nil, nil, false
	}
	block, err := handoff.Parse(payload[:min(len(payload), handoff.MaxBlockLength)])
	return block, payload, err == nil
}
