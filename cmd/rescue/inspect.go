package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/cmd/internal/cli"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/reserve"
)

func newInspect(p *program) *cobra.Command {
	var asJSON bool
	hostMemory := "1G"
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what is in an image or in a machine's memory",
		Long: `Inspect shows on one screen what a file of a rescue kernel is. It finds out by
itself whether FILE is

  an image         as rescue build makes it: segments, entry, build ids, what it
                   needs, and the least reservation of a host with --host-memory
  a boot image     rescue build --boot or --efi, and the image inside
  memory           of a machine, raw or as an ELF core: every reservation in it,
                   with parts, seals, environment, and what the host wrote when it
                   panicked: reason, times, registers
  a reservation    or no more than its hand-off block, in a file of its own

A raw file may have each byte at the offset of its physical address, or otherwise:
a block says where it lay, and its reservation is looked for around it.

The exit code is 4 if a seal is broken. Seals of the first stage are for the
jump: from the hand-off on, the rescue program changes its data and page tables,
and only the second stage counts.`,
		Example: `  rescue inspect dump.img
  rescue boot --rescue ./dump --append panic=go --snapshot ram ./host; rescue inspect ram
  rescue inspect --json ram | jq '.reservations[0].panic.reason'`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			ram, err := cli.ParseSize(hostMemory)
			if err != nil {
				return usagef("--host-memory: %v", err)
			}
			return p.inspect(args[0], ram, asJSON)
		},
	}
	c.Flags().StringVar(&hostMemory, "host-memory", hostMemory, "an image: size the reservation for a host with so many `bytes`, with K, M, G or T")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// inspect shows what a file is.
func (p *program) inspect(path string, hostMemory uint64, asJSON bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	size, err := fileSize(file)
	if err != nil {
		return err
	}
	f, err := inspect(input{file, size, minidump.FileData(file)}, hostMemory)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f.File = path
	if asJSON {
		err = p.json(f)
	} else {
		p.showInspection(f)
	}
	if err == nil && f.broken() {
		return verdict(exitDamaged)
	}
	return err
}

// input is a file to inspect.
type input struct {
	io.ReaderAt
	size int64
	data minidump.DataFinder // where a sparse file has data; nil = everywhere
}

func fileSize(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if info.IsDir() {
		return 0, fmt.Errorf("%s is a directory: %w", file.Name(), errNotOurs)
	}
	if info.Mode().IsRegular() {
		return info.Size(), nil
	}
	return file.Seek(0, io.SeekEnd) // a device
}

// Kinds of files.
const (
	kindImage       = "image"
	kindBootImage   = "boot_image"
	kindMemory      = "memory"
	kindReservation = "reservation"
	kindBlock       = "block"
)

// inspect finds out what a file is, and all about it.
func inspect(in input, hostMemory uint64) (*inspection, error) {
	f := &inspection{Size: in.size, Reservations: []reservationFact{}}
	var start [64]byte
	n, err := in.ReadAt(start[:], 0)
	if n < len(start) && err != io.EOF {
		return nil, err
	}
	if isARM64Image(start[:n]) || isEFIApplication(start[:n]) {
		return f, f.addImage(in, hostMemory)
	}
	if string(start[:4]) != "\x7fELF" {
		return f, f.addMemory(in, rawMemory(in))
	}
	if binary.LittleEndian.Uint16(start[16:]) == elfTypeCore {
		memory, err := coreMemory(in)
		if err != nil {
			return nil, err
		}
		return f, f.addMemory(in, memory)
	}
	return f, f.addImage(in, hostMemory)
}

// addImage adds the facts of an image or a boot image.
func (f *inspection) addImage(in input, hostMemory uint64) error {
	if in.size > maxImageFile {
		return fmt.Errorf("a file of %s, an image has at most %s: %w", size(in.size), size(maxImageFile), errNotOurs)
	}
	data, err := io.ReadAll(io.NewSectionReader(in, 0, in.size))
	if err != nil {
		return err
	}
	if block, payload, ok := bootBlock(data); ok {
		f.Kind = kindBootImage
		boot := gatherBlock(block)
		part := block.Parts[handoff.PartImage]
		if part.Offset <= uint64(len(payload)) && part.Size <= uint64(len(payload))-part.Offset {
			boot.Image.setBuild(payload[part.Offset:][:part.Size])
		}
		f.Reservations = append(f.Reservations, boot)
		return nil
	}
	image, err := reserve.OpenImage(bytes.NewReader(data))
	if err != nil {
		return err
	}
	f.Kind = kindImage
	f.Image, err = gatherImage(image, data, hostMemory)
	return err
}
