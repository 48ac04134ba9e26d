package bootimage

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// loadEFI does with a file what firmware does: sections to where the image shall
// be, and relocations.
func loadEFI(t testing.TB, file []byte, at physmem.Address) (*pe.File, *physmem.Bytes, *handoff.Block) {
	t.Helper()
	f, err := pe.NewFile(bytes.NewReader(file))
	require.NoError(t, err)
	h := f.OptionalHeader.(*pe.OptionalHeader64)
	data := make([]byte, h.SizeOfImage)
	copy(data, file[:h.SizeOfHeaders])
	for _, s := range f.Sections {
		if s.Characteristics&peUninitialized != 0 {
			require.Zero(t, s.Size)
			continue
		}
		part, err := s.Data()
		require.NoError(t, err)
		copy(data[s.VirtualAddress:][:s.VirtualSize], part)
	}
	directory := h.DataDirectory[peDirectoryBases]
	for list := data[directory.VirtualAddress:][:directory.Size]; len(list) > 0; {
		page, size := binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:])
		for entry := 8; entry < int(size); entry += 2 {
			e := binary.LittleEndian.Uint16(list[entry:])
			if e == 0 {
				continue
			}
			require.EqualValues(t, peRelocation64, e>>12)
			field := data[page+uint32(e&0xfff):]
			binary.LittleEndian.PutUint64(field, binary.LittleEndian.Uint64(field)+uint64(at)-h.ImageBase)
		}
		list = list[size:]
	}
	header := data[efiHeaders:][:handoff.HeaderLength]
	crc := crc32.Checksum(header[:handoff.OffsetHeaderCRC], crc32.MakeTable(crc32.Castagnoli))
	crc = crc32.Update(crc, crc32.MakeTable(crc32.Castagnoli), header[handoff.OffsetHeaderCRC+4:])
	binary.LittleEndian.PutUint32(header[handoff.OffsetHeaderCRC:], crc) // package kernel does that
	block, err := handoff.Parse(data[efiHeaders:][:amd64.PageSize])
	require.NoError(t, err)
	return f, physmem.NewBytes(at, data), block
}

func readAt(t testing.TB, memory physmem.Reader, at physmem.Address, n uint64) []byte {
	t.Helper()
	p := make([]byte, n)
	_, err := memory.ReadPhysical(p, at)
	require.NoError(t, err)
	return p
}

var efiPrograms = map[handoff.Architecture]func() []byte{
	handoff.AMD64: func() []byte { return program(nil) }, handoff.ARM64: programARM64,
}

func TestWrapEFI(t *testing.T) {
	t.Parallel()
	for architecture, program := range efiPrograms {
		for _, options := range []EFIOptions{{}, {Module: bytes.Repeat([]byte("a module "), 1000), CommandLine: "panic=nil"}} {
			file, err := WrapEFI(bytes.NewReader(program()), options)
			require.NoError(t, err)
			for _, at := range []physmem.Address{0x10_0000, 0x7e34_5000, 0x3_fff0_0000} {
				f, memory, block := loadEFI(t, file, at)
				h := f.OptionalHeader.(*pe.OptionalHeader64)
				require.Equal(t, map[handoff.Architecture]uint16{handoff.AMD64: pe.IMAGE_FILE_MACHINE_AMD64, handoff.ARM64: pe.IMAGE_FILE_MACHINE_ARM64}[architecture], f.Machine)
				require.EqualValues(t, pe.IMAGE_SUBSYSTEM_EFI_APPLICATION, h.Subsystem)
				require.EqualValues(t, pe.IMAGE_DLLCHARACTERISTICS_NX_COMPAT, h.DllCharacteristics)
				for _, s := range f.Sections {
					require.False(t, s.Characteristics&peWrite != 0 && s.Characteristics&peExecute != 0, s.Name)
				}
				require.Equal(t, at+efiHeaders, block.Reservation.Start)
				require.LessOrEqual(t, uint64(block.Reservation.End), uint64(at)+uint64(h.SizeOfImage))
				require.Equal(t, handoff.RoleHost, block.Role)
				require.Equal(t, architecture, block.Architecture)
				require.EqualValues(t, handoff.LinkText+0x20, block.Image.Entry)

				image := readAt(t, memory, block.Range(handoff.PartImage).Start, 0x5000)
				require.Equal(t, program()[:0x1f00], image[:0x1f00])
				require.Equal(t, program()[0x2000:], image[0x2000:0x4800])
				for part, want := range map[handoff.Part]string{handoff.PartMetadata: string(options.Module), handoff.PartEnvironment: options.CommandLine} {
					require.EqualValues(t, len(want), block.Parts[part].Length)
					if want != "" {
						require.Equal(t, want, string(readAt(t, memory, block.Range(part).Start, uint64(len(want)))))
					}
				}
			}
		}
	}
}

// The tables map the image where it is, and the direct map begins with 4 GiB.
func TestEFITables(t *testing.T) {
	t.Parallel()
	file, err := WrapEFI(bytes.NewReader(program(nil)), EFIOptions{})
	require.NoError(t, err)
	for _, at := range []physmem.Address{0x10_0000, 0x7e34_5000, 0x3_fff0_0000} {
		_, memory, block := loadEFI(t, file, at)
		for levels, root := range map[int]uint64{4: block.Tables.Root4, 5: block.Tables.Root5} {
			w, err := amd64.NewWalker(memory, nil, amd64.Paging{Root: block.Reservation.Start + physmem.Address(root), Levels: levels})
			require.NoError(t, err)
			mapped, pages := uint64(0), 0
			require.NoError(t, w.Walk(0, 1<<47-1, func(m amd64.Mapping) error {
				switch {
				case m.Virtual < handoff.KernelBase:
					require.EqualValues(t, m.Virtual-handoff.DirectMapBase, m.Physical)
					require.True(t, m.Writable && m.User && !m.Executable)
					mapped += m.Size
				case m.Virtual >= handoff.LinkBase:
					require.EqualValues(t, block.Range(handoff.PartImage).Start+physmem.Address(m.Virtual-handoff.LinkBase), m.Physical)
					pages++
				default:
					require.True(t, block.Range(handoff.PartEntryStack).ContainsRange(physmem.Range{Start: m.Physical, End: m.Physical + 4096}))
				}
				return nil
			}))
			require.EqualValues(t, 4<<30, mapped)
			require.Equal(t, 5, pages)
		}
	}
}

func TestEFITablesARM64(t *testing.T) {
	t.Parallel()
	file, err := WrapEFI(bytes.NewReader(programARM64()), EFIOptions{})
	require.NoError(t, err)
	_, memory, block := loadEFI(t, file, 0x7_bc34_5000)
	w, err := arm64.NewWalker(memory, nil, arm64.Paging{Root: block.Reservation.Start + physmem.Address(block.Tables.Root4)})
	require.NoError(t, err)
	image := 0
	require.NoError(t, w.Walk(0, 1<<48-1, func(m arm64.Mapping) error {
		if m.Virtual >= handoff.LinkBase {
			require.EqualValues(t, block.Range(handoff.PartImage).Start+physmem.Address(m.Virtual-handoff.LinkBase), m.Physical)
			image++
		}
		return nil
	}))
	require.Equal(t, 5, image)
	// The tables that the code fills in are linked, and empty.
	for _, va := range []uint64{0x7_bc34_5000, handoff.DirectMapBase} {
		_, err := w.Lookup(va, 1)
		require.ErrorIs(t, err, arm64.ErrNotMapped)
	}
}

// The fields of the code's page are what the code looks for there: addresses that
// have moved with the image.
func TestEFIFields(t *testing.T) {
	t.Parallel()
	for architecture, program := range efiPrograms {
		file, err := WrapEFI(bytes.NewReader(program()), EFIOptions{})
		require.NoError(t, err)
		f, memory, block := loadEFI(t, file, 0x7e34_5000)
		entry := memory.Range().Start + physmem.Address(f.OptionalHeader.(*pe.OptionalHeader64).AddressOfEntryPoint)
		field := func(at physmem.Address) physmem.Address {
			return physmem.Address(binary.LittleEndian.Uint64(readAt(t, memory, entry+at, 8)))
		}
		require.Equal(t, block.Reservation.Start, field(efiBlock))
		require.Equal(t, block.Reservation.End-1, field(efiLast))
		require.Equal(t, block.Range(handoff.PartPanicArea).Start, field(efiBoot))
		require.Equal(t, block.Reservation.End-handoff.EFIAreaSize, field(efiArea))
		require.Equal(t, block.Reservation.Start+physmem.Address(block.Tables.Root4), field(efiRoot4))
		require.EqualValues(t, handoff.EFIMaxMap, field(efiCapacity))
		tables := block.Range(handoff.PartTables)
		for _, at := range []physmem.Address{efiIdentity, efiIdentity + 8, efiIdentity + 16, efiDirect} {
			require.True(t, tables.Contains(field(at)), "%#x", at)
		}
		if architecture == handoff.ARM64 {
			require.Equal(t, block.Range(handoff.PartTrampoline).Start, field(efiTrampoline))
			require.Equal(t, entry+4096, field(efiTrampoline))
			continue
		}
		require.Equal(t, entry, block.Range(handoff.PartTrampoline).Start)
		require.EqualValues(t, block.Image.Entry, field(efiEntry))
		require.Equal(t, entry+efiTable, field(efiGDTR+2))
	}
}

func TestWrapEFIRefuses(t *testing.T) {
	t.Parallel()
	for _, line := range []string{strings.Repeat("x", MaxEFICommandLine+1), "a\x00b"} {
		_, err := WrapEFI(bytes.NewReader(program(nil)), EFIOptions{CommandLine: line})
		require.ErrorIs(t, err, ErrOption)
	}
	_, err := WrapEFI(strings.NewReader("#!/bin/sh\n"), EFIOptions{})
	require.ErrorIs(t, err, ErrImage)
}

// The code in the package is that of internal/source.
func TestEFICodeIsGenerated(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the code is assembled with the go command, which is not in PATH")
	}
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "run", "./internal/generate", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, name := range []string{"codeefix86.go", "codeefiarm.go"} {
		now, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		committed, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, string(now), string(committed), "run go generate")
	}
}

func FuzzWrapEFI(f *testing.F) {
	f.Add(program(nil), "panic=nil", []byte("module"))
	f.Add(programARM64(), "", []byte(nil))
	f.Fuzz(func(t *testing.T, file []byte, line string, module []byte) {
		out, err := WrapEFI(bytes.NewReader(file), EFIOptions{CommandLine: line, Module: module})
		if err != nil {
			return
		}
		_, memory, block := loadEFI(t, out, 0x1_0000_0000)
		require.True(t, memory.Range().ContainsRange(block.Reservation))
	})
}
