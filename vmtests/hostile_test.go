package vmtests

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// fill writes a pattern over a region of the host.
func fill(t *testing.T, memory physmem.Memory, region handoff.Region, pattern func(offset uint64) byte) {
	t.Helper()
	require.NotZero(t, region.Length)
	offset := uint64(0)
	for _, extent := range region.Extents {
		data := make([]byte, extent.Size())
		for i := range data {
			data[i] = pattern(offset)
			offset++
		}
		_, err := memory.WritePhysical(data, extent.Start)
		require.NoError(t, err)
	}
}

// words writes 64-bit words to the start of a region.
func words(t *testing.T, memory physmem.Memory, region handoff.Region, values ...uint64) {
	t.Helper()
	data := []byte{}
	for _, v := range values {
		data = binary.LittleEndian.AppendUint64(data, v)
	}
	require.LessOrEqual(t, uint64(len(data)), region.Extents[0].Size())
	_, err := memory.WritePhysical(data, region.Extents[0].Start)
	require.NoError(t, err)
}

// kernelEntry is where the host's top page table has its kernel window.
func kernelEntry(t *testing.T, f *frozen) (root, entry physmem.Address) {
	t.Helper()
	area, err := f.opened.PanicArea()
	require.NoError(t, err)
	root = physmem.Address(area.Root &^ 0xfff)
	if f.opened.Block.Architecture == handoff.ARM64 {
		root = physmem.Address(area.RootLower &^ 0xfff)
	}
	return root, root + physmem.Address(handoff.KernelBase>>39&0x1ff*8)
}

// hostileChange is garbage in what the rescue program reads of the host.
type hostileChange struct {
	name   string
	change func(physmem.Memory)
	few    bool // there may be no page of the host in the dump
}

// What the rescue program reads of the host - page bitmap, dump_avail, message
// buffer, page tables - is garbage at the freeze point: the dump is made all the
// same, in bounded time, and no page of it is wrong.
func TestHostileHost(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		f := freeze(t, scene{on: r.name, sizes: "96"})
		for _, test := range slices.Concat(hostileBitmaps(t, f), hostileTables(t, f)) {
			if !r.takes(test.name, "all of it", "tables in a circle") {
				continue
			}
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				d := f.goOn(t, fault{change: test.change})
				require.Less(t, d.took, 20*time.Second)
				d.requireUnchanged()
				report := d.report()
				require.Equal(t, "whole", report["status"], "%s", d.console)
				file, dump, err := d.open(0)
				require.NoError(t, err, "%s", d.console)
				require.True(t, file.Complete(), "%v", file.Problems())
				pages, holes := d.requireTruePages(dump)
				if !test.few {
					require.Greater(t, pages, 500, "%s", d.console)
				}
				t.Logf("took %v: %d pages, %d holes, %d problems; holes=%s marks=%s %s", d.took.Round(time.Millisecond), pages, len(holes), len(dump.Problems()),
					report["holes"], report["marks"], strings.Join(markLines(d.console.String()), "; "))
			})
		}
	})
}

// Addresses without memory behind them, on both architectures' machines.
const (
	mmio    = 0xfe00_0000
	nowhere = 0x7fff_ffff_f000
)

// random gives noise.
func random(seed uint64) func(uint64) byte {
	source := rand.New(rand.NewPCG(seed, 1))
	return func(uint64) byte { return byte(source.Uint32()) }
}

// hostileBitmaps are about what memory there is, and is to be dumped.
func hostileBitmaps(t *testing.T, f *frozen) []hostileChange {
	block := f.opened.Block
	base := uint64(f.snapshot.RAM[0].Start)
	full := func(uint64) byte { return 0xff }
	none := func(uint64) byte { return 0 }
	filled := func(region handoff.Region, pattern func(uint64) byte) func(physmem.Memory) {
		return func(m physmem.Memory) { fill(t, m, region, pattern) }
	}
	avail := func(values ...uint64) func(physmem.Memory) {
		return func(m physmem.Memory) { words(t, m, block.DumpAvail, values...) }
	}
	return []hostileChange{
		{"bitmap full", filled(block.Bitmap, full), false},
		{"bitmap of noise", filled(block.Bitmap, random(1)), false},
		{"bitmap empty", filled(block.Bitmap, none), true},
		{"dump_avail of noise", filled(block.DumpAvail, random(2)), true},
		{"dump_avail in MMIO", avail(base, base+0x200_0000, mmio, mmio+0x200_0000, nowhere, nowhere+0x200_0000, 0, 0), false},
		{"dump_avail without end", avail(0, 1<<63, 1<<63, ^uint64(0)), true},
		{"dump_avail backwards", avail(base+0x400_0000, base, 0, 0), true},
		{"message buffer of noise", filled(block.MessageBuffer, random(3)), false},
	}
}

// hostileTables are about page tables. The trampoline itself runs on the host's,
// so what it runs by stays: garbage is below the kernel window's entry.
func hostileTables(t *testing.T, f *frozen) []hostileChange {
	flags, addresses := uint64(7), uint64(0xf_ffff_ffff_f000) // present, writable, user
	if f.opened.Block.Architecture == handoff.ARM64 {
		flags, addresses = 3, 0xffff_ffff_f000 // a table
	}
	root, entry := kernelEntry(t, f)
	word := func(memory physmem.Memory, at physmem.Address, v uint64) {
		_, err := memory.WritePhysical(binary.LittleEndian.AppendUint64(nil, v), at)
		require.NoError(t, err)
	}
	var b [8]byte
	_, err := f.snapshot.Memory.ReadPhysical(b[:], entry)
	require.NoError(t, err)
	value := binary.LittleEndian.Uint64(b[:])
	third := physmem.Address(value & addresses)
	page := handoff.Region{Length: 4096, Extents: []physmem.Range{{Start: third, End: third + 4096}}}
	is := func(v uint64) func(physmem.Memory) {
		return func(m physmem.Memory) { word(m, entry, v) }
	}
	return []hostileChange{
		{"tables in a circle", is(uint64(root) | flags), false},
		{"third table is its own", func(m physmem.Memory) {
			for i := range physmem.Address(512) {
				word(m, third+8*i, uint64(third)|flags)
			}
		}, false},
		{"tables in MMIO", is(mmio | flags), false},
		{"tables outside of memory", is(nowhere | flags), false},
		{"tables of noise", func(m physmem.Memory) { fill(t, m, page, random(4)) }, false},
		{"reserved bits", is(value | 0x7ff<<52 | 0x80), false},
		{"all of it", func(m physmem.Memory) {
			for i, region := range []handoff.Region{f.opened.Block.Bitmap, f.opened.Block.DumpAvail, f.opened.Block.MessageBuffer} {
				fill(t, m, region, random(uint64(5+i)))
			}
			word(m, entry, uint64(root)|flags)
		}, true},
	}
}

// markLines are what the rescue program said about parts that it did not trust.
func markLines(console string) (marks []string) {
	for line := range strings.Lines(console) {
		if _, text, ok := strings.Cut(line, "mark: "); ok {
			marks = append(marks, strings.TrimSpace(text))
		}
	}
	return marks
}

// A broken seal of the second stage: that part is not used, the dump is made, and
// marked with the part's name. A host that writes to it after the panic path has
// looked is what a stray DMA is.
func TestBrokenSecondStageSeals(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		f := freeze(t, scene{on: r.name, sizes: usualScene, command: "debug.rescue.finish=poweroff"})
		for _, kind := range []handoff.DigestKind{
			handoff.DigestText, handoff.DigestReadOnly, handoff.DigestEnvironment, handoff.DigestMetadata, handoff.DigestParameters,
		} {
			if !r.takes(kind.String(), handoff.DigestParameters.String()) {
				continue
			}
			t.Run(kind.String(), func(t *testing.T) {
				at := breakable(t, f, kind)
				ends := r.poweredOff()
				if kind == handoff.DigestEnvironment {
					ends = machine.Reset // an environment that is not used asks for nothing
				}
				d := f.goOn(t, fault{ends: ends, change: func(m physmem.Memory) {
					flipAt(t, m, at)
					if kind == handoff.DigestParameters {
						correctBlock(t, m, f)
					}
				}})
				d.requireStatus("whole", "0")
				_, dump, err := d.open(0)
				require.NoError(t, err)
				pages, _ := d.requireTruePages(dump)
				require.Greater(t, pages, 500)
				d.requireUnchanged()
				notes, err := dump.Notes()
				require.NoError(t, err)
				var marks []string
				for _, m := range notes.Marks {
					marks = append(marks, m.Part)
				}
				require.Contains(t, marks, kind.String(), "%+v", notes.Marks)
				require.Contains(t, d.console.String(), "mark: "+kind.String())
				require.Contains(t, d.earlyNotes(0).Marks, notes.Marks[0])
				t.Logf("%s; %d pages", strings.Join(markLines(d.console.String()), "; "), pages)
			})
		}
		require.NotEmpty(t, f.opened.Block.Digests)
	})
}

// Dump parameters whose own checksum is wrong are no hand-off block: there is
// nothing to go by, not even targets. The rescue program says so and ends.
func TestDamagedBlock(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		r.onlyFull(t)
		f := freeze(t, scene{on: r.name, sizes: usualScene, command: "debug.rescue.finish=poweroff"})
		d := f.goOn(t, fault{change: func(m physmem.Memory) { flipAt(t, m, breakable(t, f, handoff.DigestParameters)) }})
		d.requireStatus("failed", "-1")
		require.Contains(t, d.console.String(), "checksum does not match")
		require.True(t, bytes.Equal(f.disks[0].content, d.disks[0].content), "the disk was written")
		d.requireUnchanged()
	})
}

// flipAt flips a bit.
func flipAt(t *testing.T, memory physmem.Memory, at physmem.Address) {
	t.Helper()
	var b [1]byte
	_, err := memory.ReadPhysical(b[:], at)
	require.NoError(t, err)
	b[0] ^= 1
	_, err = memory.WritePhysical(b[:], at)
	require.NoError(t, err)
}

// correctBlock makes the block's checksums right again, so that only the
// parameters' digest tells that they were changed.
func correctBlock(t *testing.T, memory physmem.Memory, f *frozen) {
	t.Helper()
	start := f.opened.Block.Reservation.Start
	header := make([]byte, handoff.HeaderLength)
	_, err := memory.ReadPhysical(header, start)
	require.NoError(t, err)
	length, err := handoff.Length(header)
	require.NoError(t, err)
	sections := make([]byte, length-handoff.HeaderLength)
	_, err = memory.ReadPhysical(sections, start+handoff.HeaderLength)
	require.NoError(t, err)
	binary.LittleEndian.PutUint32(header[handoff.OffsetSeals+handoff.OffsetSealCRC:], crc32.Checksum(sections, castagnoli))
	crc := crc32.Checksum(header[:handoff.OffsetHeaderCRC], castagnoli)
	crc = crc32.Update(crc, castagnoli, header[handoff.OffsetHeaderCRC+4:])
	binary.LittleEndian.PutUint32(header[handoff.OffsetHeaderCRC:], crc)
	_, err = memory.WritePhysical(header, start)
	require.NoError(t, err)
}

// breakable is a byte below a digest that the rescue program gets along without:
// of its text and its read-only data, something that this run does not use.
func breakable(t *testing.T, f *frozen, kind handoff.DigestKind) physmem.Address {
	t.Helper()
	block := f.opened.Block
	unused := map[handoff.DigestKind]string{
		handoff.DigestReadOnly:   "no target took the dump",
		handoff.DigestParameters: block.Host.Version,
	}
	for _, digest := range block.Digests {
		if digest.Kind != kind {
			continue
		}
		where := block.At(digest.Offset, digest.Length)
		if kind == handoff.DigestText {
			virtual := symbol(t, rescueProgram.imageFor(t, f.on.architecture), "capture.(*serialSink).finish")
			at := block.Range(handoff.PartImage).Start + physmem.Address(virtual-block.Image.LinkBase)
			require.True(t, where.Contains(at), "%v is not in %v", at, where)
			return at
		}
		text, ok := unused[kind]
		if !ok {
			return where.Start + physmem.Address(where.Size()/2)
		}
		data := make([]byte, where.Size())
		_, err := f.snapshot.Memory.ReadPhysical(data, where.Start)
		require.NoError(t, err)
		if i := bytes.Index(data, []byte(text)); i >= 0 && text != "" {
			return where.Start + physmem.Address(i)
		}
	}
	require.Fail(t, "nothing to break", "%v", kind)
	return 0
}
