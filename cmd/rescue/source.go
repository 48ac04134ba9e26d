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

// image reads the image that an argument names: a file, or a package, which is
// built.
func (p *program) image(ctx context.Context, name string, tags []string) ([]byte, error) {
	path := name
	if !isFile(name) || strings.HasSuffix(name, ".go") {
		r, err := imagebuild.Cached(ctx, p.cache, imagebuild.Options{Package: name, Tags: tags})
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

// hostImage is a host's image as a file that boots.
func (p *program) hostImage(ctx context.Context, name string, tags []string) ([]byte, error) {
	data, err := p.image(ctx, name, tags)
	if err != nil {
		return nil, err
	}
	if _, _, ok := bootBlock(data); ok {
		return data, nil
	}
	wrapped, err := bootimage.Wrap(bytes.NewReader(data), bootimage.Options{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return wrapped, nil
}

// rescueImage is a rescue program's image. What is wrong with it would be found
// by the host when it arms; a user is told at once.
func (p *program) rescueImage(ctx context.Context, name string, tags []string) ([]byte, error) {
	data, err := p.image(ctx, name, tags)
	if err != nil {
		return nil, err
	}
	if _, err := reserve.OpenImage(bytes.NewReader(data)); err != nil {
		if _, _, ok := bootBlock(data); ok {
			return nil, fmt.Errorf("%s: it is a boot image; a host arms the image that it was made of: %w", name, errNotOurs)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// bootBlock finds the block at the start of a boot image: an ELF file whose
// first loaded bytes are one.
func bootBlock(data []byte) (block *handoff.Block, payload []byte, ok bool) {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, nil, false
	}
	for _, s := range file.Progs {
		if s.Type != elf.PT_LOAD {
			continue
		}
		if s.Off > uint64(len(data)) || s.Filesz > uint64(len(data))-s.Off || s.Filesz < handoff.HeaderLength {
			return nil, nil, false
		}
		payload = data[s.Off : s.Off+s.Filesz]
		if binary.LittleEndian.Uint64(payload) != handoff.Magic {
			return nil, nil, false
		}
		block, err := handoff.Parse(payload[:min(len(payload), handoff.MaxBlockLength)])
		return block, payload, err == nil && uint64(block.Reservation.Start) == s.Paddr
	}
	return nil, nil, false
}
