package vmtests

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// The reservation may be anywhere: at the lowest possible place, over physical
// 4 MiB where programs of other kernels are linked, below and above 4 GiB, at
// the top of a large host. The boot module takes the top of the memory, and the
// kernel's first frames the bottom; the reservation lies beside them.
func TestPlacesOfTheReservation(t *testing.T) {
	low := physmem.Range{Start: 0, End: 0x9f000}
	for _, test := range []struct {
		name    string
		ram     physmem.Ranges
		base    physmem.Address // of the host's image
		command string
		start   physmem.Address // of the reservation
	}{
		{"lowest", physmem.Ranges{low, {Start: 1 << 20, End: 80 << 20}}, 32 << 20, "reserve.lowest=1", 4 << 20},
		{"over 4 MiB", physmem.Ranges{low, {Start: 1 << 20, End: 80 << 20}}, 32 << 20, "reserve.limit=0xc00000", 4 << 20},
		{"just below 4 GiB", physmem.Ranges{low, {Start: 1 << 20, End: 64 << 20}, {Start: 4<<30 - 48<<20, End: 4<<30 - 16<<20}}, 2 << 20, "", 4<<30 - 28<<20},
		{"above 4 GiB", physmem.Ranges{low, {Start: 1 << 20, End: 64 << 20}, {Start: 4 << 30, End: 4<<30 + 32<<20}}, 2 << 20, "", 4<<30 + 24<<20},
		{"below a limit", physmem.Ranges{low, {Start: 1 << 20, End: 64 << 20}, {Start: 4 << 30, End: 4<<30 + 32<<20}}, 2 << 20, "reserve.limit=0x100000000", 64<<20 - 12<<20},
	} {
		if test.name != "lowest" && test.name != "above 4 GiB" && !*full {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := machine.Config{RAM: test.ram}
			config.Boot.Image = hostImageAt(t, test.base)
			h := freezeAt(t, witnesses(), config, "nil", test.command, witnessProgram)
			require.Equal(t, test.start, h.block)
			h.requireTrue(h.finish(), handoff.ReasonExit, "")
		})
	}
}

// TestPlacesOfTheReservation for arm64, where memory begins at 1 GiB and the host
// is loaded at its beginning.
func TestARM64PlacesOfTheReservation(t *testing.T) {
	const memory = 1 << 30
	first := physmem.Range{Start: memory, End: memory + 64<<20}
	for _, test := range []struct {
		name    string
		more    physmem.Range // memory beside the first
		command string
		start   physmem.Address
		some    bool
	}{
		{"lowest", physmem.Range{}, "reserve.lowest=1", memory + 6<<20, false},
		{"below a limit", physmem.Range{}, "reserve.limit=0x42000000", memory + 24<<20, false},
		{"just below 4 GiB", physmem.Range{Start: 4<<30 - 48<<20, End: 4<<30 - 16<<20}, "", 4<<30 - 24<<20, false},
		{"above 4 GiB", physmem.Range{Start: 4 << 30, End: 4<<30 + 32<<20}, "", 4<<30 + 24<<20, true},
		{"at the top of 250 GiB", physmem.Range{Start: 250 << 30, End: 250<<30 + 32<<20}, "", 250<<30 + 24<<20, false},
	} {
		if !test.some && !*full {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := machine.Config{RAM: physmem.NewRanges(first, test.more)}
			h := freezeAt(t, onEmulatedARM64, config, "nil", test.command, witnessProgram)
			require.Equal(t, test.start, h.block)
			h.requireTrue(h.finish(), handoff.ReasonExit, "")
		})
	}
}

// hostImageAt is the host wrapped for a load address.
func hostImageAt(t testing.TB, base physmem.Address) []byte {
	t.Helper()
	wrapped, err := bootimage.Wrap(bytes.NewReader(hostProgram.image(t)), bootimage.Options{Base: base})
	require.NoError(t, err)
	return wrapped
}

// Hand-offs in a row, each with other contents of memory, another bitmap (the
// host works for another while) and another kind of panic. None is tried again.
func TestManyHandOffs(t *testing.T) {
	count := 3
	if *full {
		count = 100
	}
	for seed := range count {
		kind := panicKinds[seed%len(panicKinds)]
		t.Run(fmt.Sprintf("%d %s", seed, kind.kind), func(t *testing.T) {
			t.Parallel()
			h := freezeAt(t, witnesses(), machine.Config{}, kind.kind, fmt.Sprintf("after=%03dms", 1+seed*7%50), witnessProgram)
			h.requireTrue(h.finish(), kind.reason, kind.message)
		})
	}
}
