package bootimage_test

import (
	"bytes"
	"debug/elf"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/handoff"
)

// linked stands for a file that was linked for the kernel window: an ELF header,
// one program header, one page of text.
func linked() []byte {
	file := make([]byte, 2*4096)
	copy(file, "\x7fELF\x02\x01\x01")
	for offset, value := range map[int]uint16{16: 2, 18: uint16(handoff.AMD64), 32: 64, 54: 56, 56: 1, 64: 1, 68: 5} {
		binary.LittleEndian.PutUint16(file[offset:], value)
	}
	for offset, value := range map[int]uint64{24: handoff.LinkText, 72: 4096, 80: handoff.LinkText, 96: 4096, 104: 4096} {
		binary.LittleEndian.PutUint64(file[offset:], value)
	}
	return file
}

// What comes out is an ELF file with a physical address; an ordinary program is
// not linked for the kernel window, and is refused.
func ExampleWrap() {
	wrapped, err := bootimage.Wrap(bytes.NewReader(linked()), bootimage.Options{Base: 32 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	file, err := elf.NewFile(bytes.NewReader(wrapped))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range file.Progs {
		fmt.Printf("%v at %#x\n", p.Type, p.Paddr)
	}

	_, err = bootimage.Wrap(bytes.NewReader([]byte("#!/bin/sh\n")), bootimage.Options{})
	fmt.Println(errors.Is(err, bootimage.ErrImage))
	// Output:
	// PT_LOAD at 0x2000000
	// PT_NOTE at 0x0
	// true
}

// An EFI application has no address: firmware loads it where there is room.
func ExampleWrapEFI() {
	application, err := bootimage.WrapEFI(bytes.NewReader(linked()), bootimage.EFIOptions{CommandLine: "hostname=example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	file, err := pe.NewFile(bytes.NewReader(application))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range file.Sections {
		fmt.Println(s.Name)
	}
	// Output:
	// .block
	// .text
	// .data
	// .bss
	// .reloc
}
