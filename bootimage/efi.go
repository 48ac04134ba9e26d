package bootimage

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
	"github.com/seed64aab995/rescuekernel/trampoline"
)

//go:generate go run ./internal/generate

// EFIOptions are what an EFI application can be given. The zero value is useful.
type EFIOptions struct {
	// Module is a file that the program finds as its first boot module: its
	// rescue image, say. Empty: there is none.
	Module []byte

	// CommandLine is what the program's command line begins with. What the
	// firmware's boot entry or shell says follows. At most MaxEFICommandLine
	// bytes, none of them zero.
	CommandLine string
}

// MaxEFICommandLine is the longest command line that an EFI application can have
// in itself.
const MaxEFICommandLine = 2047

// EFIHeaderSize is what precedes the block in an EFI application, in the file and in
// memory: the headers of the PE file.
const EFIHeaderSize = efiHeaders

const efiHeaders = peAlignment

// efiBase is where the block is before firmware has moved the image.
const efiBase physmem.Address = efiHeaders

// efiLayout is where the parts are, as offsets from the block.
type efiLayout struct {
	layout
	code    uint64 // the entry's page; on amd64 the stub's, too
	command uint64 // a page with the command line, if there is one
	area    uint64 // handoff's EFI area, behind all that is in the file
}

func planEFI(architecture handoff.Architecture, tables, image, command, module uint64) (l efiLayout) {
	l.boot = amd64.PageSize
	l.code = l.boot + handoff.BootAreaSize
	l.stub = l.code
	if architecture == handoff.ARM64 {
		l.stub += trampoline.PageSize
	}
	l.stack = l.stub + amd64.PageSize
	l.tables = l.stack + entryStack
	l.image = l.tables + tables
	l.command = l.image + image
	l.module = l.command + roundUp(command)
	l.area = l.module + roundUp(module)
	l.end = l.area + handoff.EFIAreaSize
	return l
}

// WrapEFI reads an image and returns it as an EFI application for its
// architecture: a PE32+ file that firmware loads from \EFI\BOOT\BOOTX64.EFI or
// BOOTAA64.EFI, or from wherever its boot entries say. See the package's
// documentation.
func WrapEFI(r io.ReaderAt, options EFIOptions) ([]byte, error) {
	image, err := reserve.OpenImage(r)
	if err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	if len(options.CommandLine) > MaxEFICommandLine || strings.Contains(options.CommandLine, "\x00") {
		return nil, fmt.Errorf("wrap: a command line of %d bytes: %w: at most %d, and no zeros", len(options.CommandLine), ErrOption, MaxEFICommandLine)
	}
	w := &efiWriter{image: image, options: options}
	if w.data, err = image.Bytes(); err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	file, err := w.file()
	if err != nil {
		return nil, fmt.Errorf("wrap as an EFI application: %w", err)
	}
	return file, nil
}

// efiWriter makes one EFI application.
type efiWriter struct {
	image   *reserve.Image
	options EFIOptions
	data    []byte // of the image
	layout  efiLayout
	payload []byte
	fixups  []uint64 // offsets in payload of 64-bit addresses of the image
}

func (w *efiWriter) file() ([]byte, error) {
	dry := planEFI(w.image.Architecture, 0, 0, 0, 0)
	tables, err := w.tables(dry, efiBase)
	if err != nil {
		return nil, err
	}
	w.layout = planEFI(w.image.Architecture, uint64(len(tables.bytes)), uint64(len(w.data)), uint64(len(w.options.CommandLine)), uint64(len(w.options.Module)))
	l := &w.layout
	if tables, err = w.tables(*l, efiBase); err != nil {
		return nil, err
	}
	block := w.block(tables)
	if w.payload, err = block.AppendBinary(make([]byte, 0, l.area)); err != nil {
		return nil, err
	}
	w.payload = w.payload[:l.area]
	w.fixups = []uint64{handoff.OffsetReservation}
	if err := w.putTables(tables); err != nil {
		return nil, err
	}
	copy(w.payload[l.image:], w.data)
	copy(w.payload[l.command:], w.options.CommandLine)
	copy(w.payload[l.module:], w.options.Module)
	if err := w.putCode(tables); err != nil {
		return nil, err
	}
	return w.encodePE(), nil
}

// block is the boot block: what describe says, and what only an EFI application
// has.
func (w *efiWriter) block(tables *efiTables) *handoff.Block {
	l := &w.layout
	b := describe(w.image, efiBase, l.layout, roots{four: uint64(tables.root4 - efiBase), five: uint64(tables.root5 - efiBase)})
	b.Parts[handoff.PartImage].Size = l.command - l.image
	b.Architecture = w.image.Architecture
	b.Space.DirectMapEnd = handoff.DirectMapBase + efiMapped(w.image.Architecture)
	if w.image.Architecture == handoff.ARM64 {
		b.Tables.Root5 = 0
	}
	if n := len(w.options.CommandLine); n > 0 {
		b.Parts[handoff.PartEnvironment] = handoff.Extent{Offset: l.command, Size: l.module - l.command, Length: uint32(n)}
	}
	if n := len(w.options.Module); n > 0 {
		b.Parts[handoff.PartMetadata] = handoff.Extent{Offset: l.module, Size: l.area - l.module, Length: uint32(n)}
	}
	return b
}

// putTables puts the page tables in, and finds what in them are addresses of the
// image: what is another value where the image lies elsewhere.
func (w *efiWriter) putTables(tables *efiTables) error {
	const distance = 1 << 40
	moved, err := w.tables(w.layout, efiBase+distance)
	if err != nil {
		return err
	}
	copy(w.payload[w.layout.tables:], tables.bytes)
	for at := 0; at < len(tables.bytes); at += 8 {
		here, there := binary.LittleEndian.Uint64(tables.bytes[at:]), binary.LittleEndian.Uint64(moved.bytes[at:])
		switch there - here {
		case 0:
		case distance:
			w.fixups = append(w.fixups, w.layout.tables+uint64(at))
		default:
			return fmt.Errorf("%w: the page tables cannot be moved: %#x becomes %#x", ErrBase, here, there)
		}
	}
	return nil
}
