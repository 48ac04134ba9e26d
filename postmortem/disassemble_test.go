package postmortem_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/postmortem"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

func TestDisassemble(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		a    minidump.Architecture
		code string // at textBase
		want []string
	}{
		{"prologue", minidump.AMD64, "55 4889e5 c3", []string{"push %rbp", "mov %rsp,%rbp", "retq"}},
		{"call", minidump.AMD64, "e8 fb020000 ebfe", []string{
			"callq 0xffffffff80200300 <faulting>", "jmp 0xffffffff80200005 <panic+0x5>"}},
		{"rip relative", minidump.AMD64, "488b05 04040000", []string{
			"mov 0x404(%rip),%rax # 0xffffffff8020040b <caller+0xb>"}},
		{"immediate", minidump.AMD64, "48c7c7 10032080", []string{"mov $0xffffffff80200310,%rdi <faulting+0x10>"}},
		{"endbr and clac", minidump.AMD64, "f30f1efa 0f01ca 90", []string{"endbr64", "clac", "nop"}},
		// rdpid %rax: x/arch reports the prefix alone, without an error.
		{"undecoded prefix", minidump.AMD64, "f30fc7f8 90", []string{".byte 0xf3", "", "nop"}},
		{"cut", minidump.AMD64, "90 e8fb", []string{"nop", ".byte 0xe8", "sti"}},
		{"branch", minidump.ARM64, "c0000094 00000014 c0035fd6", []string{
			"bl 0xffffffff80200300 <faulting>", "b 0xffffffff80200004 <panic+0x4>", "ret"}},
		{"adrp", minidump.ARM64, "00000090 a1000058", []string{
			"adrp x0, 0xffffffff80200000 <panic>", "ldr x1, 0xffffffff80200018 <panic+0x18>"}},
		{"backward", minidump.ARM64, "1f2003d5 ffffff17", []string{"nop", "b 0xffffffff80200000 <panic>"}},
		// ldaddal: LSE atomics are not in x/arch.
		{"undecoded word", minidump.ARM64, "4100e0f8 1f2003d5", []string{".inst 0xf8e00041", "nop"}},
		{"cut word", minidump.ARM64, "1f2003d5 1f20", []string{"nop", ".byte 0x1f20"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k, m := stackKernel(t, test.a)
			code := unhex(t, test.code)
			m.write(textBase, code)
			list := postmortem.Disassemble(test.a, code, textBase, k.Symbols)
			var got []string
			at, whole := textBase, []byte{}
			for _, i := range list {
				require.Equal(t, at, i.Address)
				at += uint64(len(i.Bytes))
				whole = append(whole, i.Bytes...)
				text := strings.Join(strings.Fields(i.Text), " ")
				require.Equal(t, !strings.HasPrefix(text, "."), i.Decoded)
				got = append(got, text)
			}
			require.Equal(t, code, whole)
			if test.name == "undecoded prefix" {
				require.Equal(t, test.want[0], got[0])
				require.Equal(t, test.want[2], got[len(got)-1])
				return
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestKernelDisassemble(t *testing.T) {
	t.Parallel()
	k, m := stackKernel(t, minidump.AMD64)
	m.write(textBase+0x0ffd, []byte{0x90, 0x90, 0x90})
	list, err := k.Disassemble(textBase+0xffd, 2)
	require.NoError(t, err)
	require.Len(t, list, 2)
	list, err = k.Disassemble(textBase+0xffd, 4)
	require.ErrorIs(t, err, errNoPage)
	require.ErrorContains(t, err, "0xffffffff80201000")
	require.Len(t, list, 3)
	_, err = k.Disassemble(textBase+0x2000, 1)
	require.ErrorIs(t, err, errNoPage)
	_, err = k.Disassemble(textBase, postmortem.MaxInstructions+1)
	require.Error(t, err)
	_, err = k.Disassemble(textBase, -1)
	require.Error(t, err)

	// The kernel's file has zeros there: add %al,(%rax).
	list, err = k.WithImage().Disassemble(textBase+0xffd, 4)
	require.NoError(t, err)
	require.Len(t, list, 4)
	require.Equal(t, []byte{0, 0}, list[3].Bytes)
	_, err = k.WithImage().Disassemble(textBase+0x20000, 1)
	require.ErrorIs(t, err, errNoPage)

	m.write(^uint64(0), []byte{0xc3})
	list, err = k.Disassemble(^uint64(0), 3)
	require.NoError(t, err)
	require.Len(t, list, 1)

	k.Architecture = minidump.MIPS
	_, err = k.Disassemble(textBase, 1)
	require.True(t, errors.Is(err, postmortem.ErrUnsupported))
}

func FuzzDisassemble(f *testing.F) {
	f.Add(unhex(f, "f30fc7f890"), uint64(textBase))
	f.Add(unhex(f, "1f2003d54100e0f8"), uint64(0))
	f.Fuzz(func(t *testing.T, code []byte, address uint64) {
		for _, a := range architectures {
			n := 0
			for _, i := range postmortem.Disassemble(a, code, address, nil) {
				require.NotEmpty(t, i.Bytes)
				require.NotEmpty(t, i.Text)
				n += len(i.Bytes)
			}
			require.Equal(t, len(code), n)
		}
	})
}
