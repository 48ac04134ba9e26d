package fdt_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// checkRestricted checks what restricting means, after a way through bytes: RAM
// is the reservation, what was reserved still is, and beside memory nodes and
// /chosen nothing has changed.
func checkRestricted(t testing.TB, before, after *fdt.Tree, reservation physmem.Range) {
	t.Helper()
	after = parse(t, write(t, after))
	was, err := before.MemoryMap()
	require.NoError(t, err)
	is, err := after.MemoryMap()
	require.NoError(t, err)
	require.Equal(t, physmem.NewRanges(reservation), is.RAM())
	require.Equal(t, was.OfType(physmem.MemoryReserved), is.OfType(physmem.MemoryReserved))
	require.Equal(t, others(before), others(after))
	require.True(t, slices.Equal(before.ReserveEntries, after.ReserveEntries))
}

// others is the lines of a tree that restricting has no say about.
func others(tree *fdt.Tree) []string {
	return slices.DeleteFunc(flatten(tree), func(line string) bool {
		path, _, _ := strings.Cut(line, ":")
		n, _ := tree.Lookup(path)
		if n == nil {
			return false
		}
		kind, _ := n.String("device_type")
		return n.IsAvailable() && (kind == "memory" || n.BaseName() == "memory") || n.BaseName() == "chosen"
	})
}

// TestRestrictGolden compares all of a restricted tree with its source.
func TestRestrictGolden(t *testing.T) {
	t.Parallel()
	tree := board(t)
	before := flatten(tree)
	reservation := span(0x58000000, 0x4000000)
	got, err := tree.Restrict(reservation,
		fdt.WithRelease(reservation),
		fdt.WithBootargs("console=ttyAMA0 elfcorehdr"),
		fdt.WithInitrd(span(0x59000000, 0x1234)),
		fdt.WithELFCoreHeader(span(0x5bff0000, 0x1000)),
		fdt.WithUsableMemory(span(0x58000000, 0x3000000), span(0x5b800000, 0x800000)),
		fdt.WithReserved("lpi", span(0x90080000, 0x100000), false),
		fdt.WithReserved("secure", span(0x42000000, 0x1000), true),
	)
	require.NoError(t, err)
	require.Equal(t, before, flatten(tree), "the host's tree is not changed")

	source, err := os.ReadFile(filepath.Join("testdata", "board.dts"))
	require.NoError(t, err)
	want := string(source)
	replace := func(old, new string) {
		t.Helper()
		require.Equal(t, 1, strings.Count(want, old), old)
		want = strings.Replace(want, old, new, 1)
	}
	remove := func(from, to string) {
		t.Helper()
		start := strings.Index(want, from)
		require.GreaterOrEqual(t, start, 0, from)
		want = want[:start] + want[start+strings.Index(want[start:], to)+len(to):]
	}
	replace(`"console=ttyAMA0 root=/dev/vda"`, `"console=ttyAMA0 elfcorehdr"`)
	replace(`<0x49000000>`, `<0x0 0x59000000>`)
	replace(`<0x0 0x49800000>`, `<0x0 0x59001234>`)
	replace(`<0x0 0x40000000 0x0 0x20000000>`, `<0x0 0x58000000 0x0 0x3000000>, <0x0 0x5b800000 0x0 0x800000>`)
	replace(`<0x0 0x5ff00000 0x0 0x1000>`, `<0x0 0x5bff0000 0x0 0x1000>`)
	remove("linux,uefi-mmap-start", ";")
	remove("kaslr-seed", ";")
	remove("rng-seed", ";")
	replace("memory@40000000", "memory@58000000")
	replace(`<0x0 0x40000000 0x0 0x10000000>, <0x0 0x50000000 0x0 0x10000000>, <0x0 0x0 0x0 0x0>`, `<0x0 0x58000000 0x0 0x4000000>`)
	remove("memory@5f000000", "};")
	remove("memory@880000000", "};")
	remove("rescue@58000000", "};")
	replace(`0x400000>; alignment = <0x0 0x200000>; };`, `0x400000>; alignment = <0x0 0x200000>; };
		lpi@90100000 { reg = <0x0 0x90100000 0x0 0x80000>; };`)
	require.Equal(t, decompile(t, compile(t, want)), decompile(t, write(t, got)))
}

// TestRestrict is weakness k of the FreeBSD rescue kernel: one memory node was
// rewritten, whatever others there were.
func TestRestrict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		reservation physmem.Range
		nodes       map[string]string // memory nodes that are left, and their registers
		err         error
	}{
		{"in the first bank", span(0x40000000, 0x1000000), map[string]string{"memory@40000000": "[0x40000000, 0x41000000)"}, nil},
		{"over two banks", span(0x4f000000, 0x2000000), map[string]string{"memory@4f000000": "[0x4f000000, 0x51000000)"}, nil},
		{"over two nodes", span(0x5e000000, 0x4000000), map[string]string{"memory@5e000000": "[0x5e000000, 0x60000000)", "memory@60000000": "[0x60000000, 0x62000000)"}, nil},
		{"where nodes overlap", span(0x5f000000, 0x1000000), map[string]string{"memory@5f000000": "[0x5f000000, 0x60000000)"}, nil},
		{"in the second node", span(0x60000000, 0x10000000), map[string]string{"memory@60000000": "[0x60000000, 0x70000000)"}, nil},
		{"in usable memory", span(0x8bf000000, 0x1000000), map[string]string{"memory@8bf000000": "[0x8bf000000, 0x8c0000000)"}, nil},
		{"in memory that is not usable", span(0x8c0000000, 0x1000000), nil, fdt.ErrNotRAM},
		{"one page below RAM", span(0x40000000-0x1000, 0x2000), nil, fdt.ErrNotRAM},
		{"one page beyond RAM", span(0x70000000-0x1000, 0x2000), nil, fdt.ErrNotRAM},
		{"touches what is reserved", span(0x42200000, 0x1000), map[string]string{"memory@42200000": "[0x42200000, 0x42201000)"}, nil},
		{"ends at what is reserved", span(0x41fff000, 0x1000), map[string]string{"memory@41fff000": "[0x41fff000, 0x42000000)"}, nil},
		{"reserved without a map", span(0x421ff000, 0x2000), nil, fdt.ErrNotRAM},
		{"reserved by an entry of the block", span(0x4800f000, 0x2000), nil, fdt.ErrNotRAM},
		{"reserved for somebody else", span(0x58000000, 0x1000), nil, fdt.ErrNotRAM},
		{"reusable", span(0x44000000, 0x1000), map[string]string{"memory@44000000": "[0x44000000, 0x44001000)"}, nil},
		{"reserved by a node that is off", span(0x46000000, 0x1000), map[string]string{"memory@46000000": "[0x46000000, 0x46001000)"}, nil},
		{"memory of the secure world", span(0xe000000, 0x1000), nil, fdt.ErrNotRAM},
		{"empty", span(0x40000000, 0), nil, fdt.ErrNotRAM},
		{"not in pages", span(0x40000000, 1), nil, fdt.ErrRange},
		{"not on a page", span(0x40000800, 0x1000), nil, fdt.ErrRange},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := board(t)
			after, err := before.Restrict(tt.reservation)
			require.ErrorIs(t, err, tt.err)
			if tt.err != nil {
				require.Contains(t, err.Error(), tt.reservation.String())
				return
			}
			checkRestricted(t, before, after, tt.reservation)
			list, err := after.Memory()
			require.NoError(t, err)
			nodes := map[string]string{}
			for _, m := range list {
				nodes[m.Node.Name()] = physmem.NewRanges(m.Banks...).String()
				require.False(t, m.Node.Has("linux,usable-memory"))
			}
			require.Equal(t, tt.nodes, nodes)
			c, err := after.Chosen()
			require.NoError(t, err)
			require.Equal(t, fdt.Chosen{StdoutPath: "serial0:115200n8"}, c)
			choice, err := lookup(t, after, "/chosen").String("unknown,choice")
			require.NoError(t, err)
			require.Equal(t, "kept", choice)
		})
	}
}

func TestRestrictOptionsRefused(t *testing.T) {
	t.Parallel()
	reservation := span(0x60000000, 0x1000000)
	for _, tt := range []struct {
		name   string
		option fdt.RestrictOption
		want   error
	}{
		{"initrd of the host", fdt.WithInitrd(span(0x49000000, 0x1000)), fdt.ErrRange},
		{"initrd beyond the end", fdt.WithInitrd(span(0x60fff000, 0x1001)), fdt.ErrRange},
		{"ELF header elsewhere", fdt.WithELFCoreHeader(span(0x5ffff000, 0x1000)), fdt.ErrRange},
		{"usable memory elsewhere", fdt.WithUsableMemory(span(0x60000000, 0x1000), span(0x40000000, 0x1000)), fdt.ErrRange},
		{"bootargs", fdt.WithBootargs("a\x00b"), fdt.ErrValue},
		{"name of reserved memory", fdt.WithReserved("a/b", span(0x1000, 0x1000), false), fdt.ErrName},
	} {
		_, err := board(t).Restrict(reservation, tt.option)
		require.ErrorIs(t, err, tt.want, tt.name)
	}
	// One cell cannot say where the reservation is.
	low := parse(t, compile(t, `/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; bus { #address-cells = <2>; #size-cells = <2>;
		ranges = <1 0 0x1000 0 0x100000>; m { device_type = "memory"; reg = <1 0 0 0x100000>; }; }; };`))
	_, err := low.Restrict(span(0x1000, 0x1000))
	require.ErrorIs(t, err, fdt.ErrTranslation)
	// Banks of one cell of size can lie side by side.
	_, err = parse(t, compile(t, `/dts-v1/; / { #address-cells = <2>; #size-cells = <1>; memory { reg = <0 0 0x80000000 0 0x80000000 0x80000000>; }; };`)).
		Restrict(span(0, 1<<32))
	require.ErrorIs(t, err, fdt.ErrRange)
}

// TestRestrictRelease: what kept the host out of the reservation goes, by exact
// range, from both lists; a reservation beside it needs nothing released.
func TestRestrictRelease(t *testing.T) {
	t.Parallel()
	before := board(t)
	before.ReserveEntries = append(before.ReserveEntries, fdt.ReserveEntry{Address: 0x58000000, Size: 0x4000000})
	reservation := span(0x58000000, 0x4000000)
	for _, release := range []physmem.Range{span(0x58000000, 0x3000000), span(0x57000000, 0x5000000), {}} {
		_, err := before.Restrict(reservation, fdt.WithRelease(release))
		require.ErrorIs(t, err, fdt.ErrNotRAM)
	}
	after, err := before.Restrict(reservation, fdt.WithRelease(reservation))
	require.NoError(t, err)
	require.Equal(t, before.ReserveEntries[:2], after.ReserveEntries)
	_, ok := after.Lookup("/reserved-memory/rescue")
	require.False(t, ok)
	memory, err := after.MemoryMap()
	require.NoError(t, err)
	require.Equal(t, physmem.NewRanges(reservation), memory.RAM())
}

// TestRestrictReserved: reserved memory is made where there was none, and a part
// of the reservation can be kept from its RAM.
func TestRestrictReserved(t *testing.T) {
	t.Parallel()
	host := parse(t, compile(t, `/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; memory { reg = <0 0x80000000>; }; };`))
	after, err := host.Restrict(span(0x1000000, 0x1000000),
		fdt.WithReserved("its", span(0x40000000, 0x10000), false),
		fdt.WithReserved("its", span(0x40008000, 0x10000), false),
		fdt.WithReserved("keep", span(0x1f00000, 0x100000), true),
		fdt.WithReserved("keep", span(0x1f00000, 0x1000), false),
	)
	require.NoError(t, err)
	require.Equal(t, decompile(t, compile(t, `/dts-v1/; / { #address-cells = <1>; #size-cells = <1>;
		memory { reg = <0x1000000 0x1000000>; };
		chosen { };
		reserved-memory { #address-cells = <1>; #size-cells = <1>; ranges;
			its@40000000 { reg = <0x40000000 0x10000>; };
			its@40010000 { reg = <0x40010000 0x8000>; };
			keep@1f00000 { reg = <0x1f00000 0x100000>; no-map; };
		};
	};`)), decompile(t, write(t, after)))
	memory, err := after.MemoryMap()
	require.NoError(t, err)
	require.Equal(t, "[0x1000000, 0x1f00000)", memory.RAM().String())
}

// TestRestrictTwice: a restricted tree can be restricted further, and to the
// same again.
func TestRestrictTwice(t *testing.T) {
	t.Parallel()
	once, err := board(t).Restrict(span(0x5e000000, 0x4000000))
	require.NoError(t, err)
	again, err := once.Restrict(span(0x5e000000, 0x4000000))
	require.NoError(t, err)
	requireEqual(t, once, again)
	less, err := once.Restrict(span(0x5f000000, 0x2000000))
	require.NoError(t, err)
	checkRestricted(t, once, less, span(0x5f000000, 0x2000000))
}
