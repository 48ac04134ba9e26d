package trampoline_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/trampoline"
)

// good are parameters that are all different.
func good() trampoline.AMD64 {
	return trampoline.AMD64{
		Page: 0x1_2345_6000, Stack: 0x1_2345_8000, Root4: 0x1_1111_1000, Root5: 0x1_2222_2000,
		Entry: 0x5000_0041_1234, EntryStack: 0x5000_0010_0000, Block: 0x1_0000_0000, BlockVA: 0x4001_0000_0000,
	}
}

func TestPatchGolden(t *testing.T) {
	t.Parallel()
	page, err := trampoline.PatchAMD64(good())
	require.NoError(t, err)
	require.Len(t, page, trampoline.PageSize)
	var b strings.Builder
	for i := 0; i < len(page); i += 16 {
		if line := page[i : i+16]; !bytes.Equal(line, make([]byte, 16)) {
			fmt.Fprintf(&b, "%03x %s\n", i, hex.EncodeToString(line))
		}
	}
	golden(t, "amd64.page", []byte(b.String()))

	code, err := trampoline.Code(handoff.AMD64)
	require.NoError(t, err)
	differ := 0
	for i := range code {
		if code[i] != page[i] {
			differ++
		}
	}
	require.LessOrEqual(t, differ, 8, "of the code only the entry is patched")
}

func TestPatchRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*trampoline.AMD64)
		want   string
	}{
		{"page at 0", func(p *trampoline.AMD64) { p.Page = 0 }, "page at 0x0"},
		{"page unaligned", func(p *trampoline.AMD64) { p.Page += 0x800 }, "page at 0x123456800"},
		{"page not in the lower half", func(p *trampoline.AMD64) { p.Page = 1 << 47 }, "page at 0x800000000000"},
		{"stack unaligned", func(p *trampoline.AMD64) { p.Stack += 8 }, "stack at"},
		{"no root", func(p *trampoline.AMD64) { p.Root4, p.Root5 = 0, 0 }, "root of 4 levels"},
		{"root with flags", func(p *trampoline.AMD64) { p.Root4 |= 0x18 }, "root of 4 levels"},
		{"root of 5 levels too high", func(p *trampoline.AMD64) { p.Root5 = physmem.MaxAddress }, "root of 5 levels"},
		{"block unaligned", func(p *trampoline.AMD64) { p.Block++ }, "block at"},
		{"entry not canonical", func(p *trampoline.AMD64) { p.Entry = 1 << 47 }, "of entry"},
		{"stack not canonical", func(p *trampoline.AMD64) { p.EntryStack = 1 << 63 }, "of entry stack"},
		{"block not canonical", func(p *trampoline.AMD64) { p.BlockVA = 0x8000_0000_0000 }, "of block"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := good()
			test.change(&p)
			_, err := trampoline.PatchAMD64(p)
			require.ErrorIs(t, err, trampoline.ErrParameter)
			require.ErrorContains(t, err, test.want)
		})
	}
	only4, only5 := good(), good()
	only4.Root5, only5.Root4 = 0, 0
	for _, p := range []trampoline.AMD64{only4, only5} {
		_, err := trampoline.PatchAMD64(p)
		require.NoError(t, err)
	}
}

func TestCodeOfOthers(t *testing.T) {
	t.Parallel()
	_, err := trampoline.Code(handoff.Architecture(2))
	require.ErrorIs(t, err, trampoline.ErrUnsupported)
}
