package trampoline_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/arm64/arm64asm"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/trampoline"
)

// armNames are instructions that arm64asm does not know: of EL2, and newer ones.
var armNames = map[uint32]string{
	0xd50324df: "BTI JC", 0xd508751f: "IC IALLU", 0xd50c871f: "TLBI ALLE2", 0xd508871f: "TLBI VMALLE1", 0xd50b7e22: "DC CIVAC, X2",
	0xd51c1000: "MSR SCTLR_EL2, X0", 0xd51c1100: "MSR HCR_EL2, X0", 0xd51c113f: "MSR MDCR_EL2, XZR", 0xd51c1140: "MSR CPTR_EL2, X0",
	0xd51c117f: "MSR HSTR_EL2, XZR", 0xd51ce100: "MSR CNTHCTL_EL2, X0", 0xd51ce07f: "MSR CNTVOFF_EL2, XZR", 0xd51c0000: "MSR VPIDR_EL2, X0",
	0xd51c00a0: "MSR VMPIDR_EL2, X0", 0xd51c4000: "MSR SPSR_EL2, X0", 0xd51c4020: "MSR ELR_EL2, X0",
	0xd51cc9a0: "MSR ICC_SRE_EL2, X0", 0xd53cc9a0: "MRS X0, ICC_SRE_EL2", 0xd51ccb1f: "MSR ICH_HCR_EL2, XZR", 0xd5380400: "MRS X0, ID_AA64PFR0_EL1",
	0xd53b0020: "MRS X0, CTR_EL0", 0xd5384240: "MRS X0, CurrentEL", 0xd5380000: "MRS X0, MIDR_EL1", 0xd53800a0: "MRS X0, MPIDR_EL1",
	0xd5380700: "MRS X0, ID_AA64MMFR0_EL1", 0xd5181000: "MSR SCTLR_EL1, X0", 0xd518101b: "MSR SCTLR_EL1, X27", 0xd518c000: "MSR VBAR_EL1, X0",
	0xd510025f: "MSR MDSCR_EL1, XZR", 0xd518a21a: "MSR MAIR_EL1, X26", 0xd5182055: "MSR TCR_EL1, X21", 0xd5182014: "MSR TTBR0_EL1, X20",
	0xd518203f: "MSR TTBR1_EL1, XZR", 0xd5184038: "MSR ELR_EL1, X24", 0xd5184000: "MSR SPSR_EL1, X0", 0xd69f03e0: "ERET",
}

func disassembleARM64(t *testing.T) []string {
	t.Helper()
	code, err := trampoline.Code(handoff.ARM64)
	require.NoError(t, err)
	var list []string
	for ; len(code) > 0; code = code[4:] {
		word := binary.LittleEndian.Uint32(code)
		text, known := armNames[word]
		if !known {
			inst, err := arm64asm.Decode(code)
			require.NoError(t, err, "%#08x", word)
			text = inst.String()
		}
		list = append(list, text)
	}
	return list
}

func TestDisassemblyARM64(t *testing.T) {
	t.Parallel()
	list := disassembleARM64(t)
	var b strings.Builder
	for i, text := range list {
		fmt.Fprintf(&b, "%03x  %s\n", 4*i, text)
	}
	golden(t, "arm64.txt", []byte(b.String()))
	require.Less(t, 4*len(list), 0x400, "code and fields overlap")
	// With lines of 64 bytes the loop over 0x400 bytes is run 16 times.
	loop := slices.Index(list, "DSB SY") - slices.Index(list, "DC CIVAC, X2")
	require.Equal(t, trampoline.InstructionsARM64, len(list)+15*loop)
}

// Memory is read by four instructions, all of them from the page, and is not
// written.
func TestNoHostMemoryARM64(t *testing.T) {
	t.Parallel()
	var accesses []string
	for _, text := range disassembleARM64(t) {
		if strings.Contains(text, "[") {
			accesses = append(accesses, text)
		}
	}
	require.Equal(t, []string{
		"LDP X20, X21, [X2]", "LDP X22, X23, [X2,#16]", "LDP X24, X25, [X2,#32]", "LDP X26, X27, [X2,#48]",
	}, accesses)
}

func goodARM64() trampoline.ARM64 {
	return trampoline.ARM64{
		Page: 0x1_2345_6000, Root: 0x1_1111_1000, Entry: 0x5000_0041_1234, EntryStack: 0x5000_0010_0000,
		Block: 0x1_0000_0000, BlockVA: 0x4001_0000_0000, Conduit: handoff.ConduitHVC,
	}
}

func TestPatchGoldenARM64(t *testing.T) {
	t.Parallel()
	page, err := trampoline.PatchARM64(goodARM64())
	require.NoError(t, err)
	require.Len(t, page, trampoline.PageSize)
	var b strings.Builder
	for i := 0; i < len(page); i += 16 {
		if line := page[i : i+16]; !bytes.Equal(line, make([]byte, 16)) {
			fmt.Fprintf(&b, "%03x %s\n", i, hex.EncodeToString(line))
		}
	}
	golden(t, "arm64.page", []byte(b.String()))
	code, err := trampoline.Code(handoff.ARM64)
	require.NoError(t, err)
	require.Equal(t, code, page[:len(code)], "nothing of the code is patched")
	require.Equal(t, make([]byte, 0x200), page[trampoline.ARM64Free:trampoline.ARM64FreeEnd])
}

// An exception resets the machine by PSCI, or spins where there is none.
func TestVectorsARM64(t *testing.T) {
	t.Parallel()
	for conduit, want := range map[handoff.Conduit]string{
		handoff.ConduitNone: "000000140000000000000000", handoff.ConduitHVC: "0080b05220018072020000d400000014", handoff.ConduitSMC: "0080b05220018072030000d400000014",
	} {
		p := goodARM64()
		p.Conduit = conduit
		page, err := trampoline.PatchARM64(p)
		require.NoError(t, err)
		for vector := 0x800; vector < 0x1000; vector += 0x80 {
			require.Equal(t, want, hex.EncodeToString(page[vector:][:len(want)/2]))
		}
	}
}

func TestPatchRefusesARM64(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*trampoline.ARM64)
		want   string
	}{
		{"page at 0", func(p *trampoline.ARM64) { p.Page = 0 }, "page at 0x0"},
		{"page unaligned", func(p *trampoline.ARM64) { p.Page += 0x800 }, "page at 0x123456800"},
		{"page too high", func(p *trampoline.ARM64) { p.Page = 1 << 48 }, "page at"},
		{"no root", func(p *trampoline.ARM64) { p.Root = 0 }, "root at"},
		{"root too high", func(p *trampoline.ARM64) { p.Root = physmem.MaxAddress }, "root at"},
		{"block unaligned", func(p *trampoline.ARM64) { p.Block++ }, "block at"},
		{"entry in the upper half", func(p *trampoline.ARM64) { p.Entry = 0xffff_0000_0000_0000 }, "of entry"},
		{"stack too high", func(p *trampoline.ARM64) { p.EntryStack = 1 << 48 }, "of entry stack"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := goodARM64()
			test.change(&p)
			_, err := trampoline.PatchARM64(p)
			require.ErrorIs(t, err, trampoline.ErrParameter)
			require.ErrorContains(t, err, test.want)
		})
	}
}
