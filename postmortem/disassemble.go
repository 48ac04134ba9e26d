package postmortem

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"golang.org/x/arch/arm64/arm64asm"
	"golang.org/x/arch/x86/x86asm"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// Instruction is one machine instruction.
type Instruction struct {
	Address uint64
	Bytes   []byte
	Text    string // GNU syntax, with symbols; .byte or .inst where not Decoded
	Decoded bool
}

// longestInstruction is 15 bytes on amd64 (Intel SDM 2A 2.3.11).
const longestInstruction = 15

// MaxInstructions bounds what Kernel.Disassemble takes on at once.
const MaxInstructions = 1 << 16

// Disassemble decodes count instructions from address on. It returns fewer,
// with the reason, where the memory ends before them.
func (k *Kernel) Disassemble(address uint64, count int) ([]Instruction, error) {
	if err := k.supported(); err != nil {
		return nil, err
	}
	if count < 0 || count > MaxInstructions {
		return nil, fmt.Errorf("disassemble %d instructions: not 0 to %d", count, MaxInstructions)
	}
	size := uint64(count) * longestInstruction
	if k.Architecture == minidump.ARM64 {
		size = uint64(count) * 4
	}
	if left := -address; address != 0 && size > left {
		size = left // to the end of the address space
	}
	code := make([]byte, size)
	n, err := k.Memory.ReadVirtual(code, address)
	list := Disassemble(k.Architecture, code[:n], address, k.Symbols)
	switch {
	case len(list) >= count:
		return list[:count], nil
	case err != nil:
		return list, fmt.Errorf("code at %#x: %w", address+uint64(n), err)
	}
	return list, nil
}

// Disassemble decodes code, which lies at address, to its end. Bytes that are
// no instruction are given one by one on amd64 and four by four on arm64, and
// decoding goes on after them. table may be nil.
func Disassemble(a minidump.Architecture, code []byte, address uint64, table *symbols.Table) []Instruction {
	decode := decodeAMD64
	if a == minidump.ARM64 {
		decode = decodeARM64
	}
	var list []Instruction
	for len(code) > 0 {
		n, text, ok := decode(code, address, table)
		list = append(list, Instruction{Address: address, Bytes: code[:n:n], Text: text, Decoded: ok})
		code = code[n:]
		address += uint64(n)
	}
	return list
}

// undecodedAMD64 are instructions that x/arch does not know, or takes for
// their prefix alone (Intel SDM 2; AMD APM 3).
var undecodedAMD64 = []struct{ bytes, text string }{
	{"\xf3\x0f\x1e\xfa", "endbr64"}, {"\xf3\x0f\x1e\xfb", "endbr32"},
	{"\x0f\x01\xca", "clac"}, {"\x0f\x01\xcb", "stac"}, {"\x0f\x01\xcf", "encls"},
	{"\x0f\x01\xc1", "vmcall"}, {"\x0f\x01\xd9", "vmmcall"}, {"\x0f\x01\xc2", "vmlaunch"},
	{"\x0f\x01\xc3", "vmresume"}, {"\x0f\x01\xc4", "vmxoff"}, {"\x0f\x01\xe8", "serialize"},
	{"\x0f\x01\xee", "rdpkru"}, {"\x0f\x01\xef", "wrpkru"}, {"\x0f\x01\xd8", "vmrun"},
	{"\x0f\x01\xda", "vmload"}, {"\x0f\x01\xdb", "vmsave"}, {"\x0f\x01\xdc", "stgi"}, {"\x0f\x01\xdd", "clgi"},
}

func decodeAMD64(code []byte, address uint64, table *symbols.Table) (int, string, bool) {
	for _, u := range undecodedAMD64 {
		if strings.HasPrefix(string(code[:min(len(code), 4)]), u.bytes) {
			return len(u.bytes), u.text, true
		}
	}
	inst, err := x86asm.Decode(code, 64)
	// An unknown instruction after a prefix comes as success with no
	// operation: the prefix alone.
	if err != nil || inst.Op == 0 || inst.Len <= 0 || inst.Len > len(code) {
		return 1, fmt.Sprintf(".byte %#02x", code[0]), false
	}
	text := strings.TrimSpace(x86asm.GNUSyntax(inst, address, nil))
	next := address + uint64(inst.Len)
	for _, arg := range inst.Args {
		switch arg := arg.(type) {
		case x86asm.Rel:
			text += bracket(table, next+uint64(arg))
		case x86asm.Mem:
			if arg.Base == x86asm.RIP && arg.Segment == 0 {
				target := next + uint64(arg.Disp)
				text += fmt.Sprintf(" # %#x%s", target, bracket(table, target))
			}
		case x86asm.Imm:
			// Only kernel addresses: small numbers are not pointers.
			if name := bracket(table, uint64(arg)); name != "" && uint64(arg) > math.MaxUint32 {
				text = strings.Replace(text, fmt.Sprintf("$%#x", int64(arg)), fmt.Sprintf("$%#x", uint64(arg)), 1) + name
			}
		}
	}
	return inst.Len, text, true
}

func decodeARM64(code []byte, address uint64, table *symbols.Table) (int, string, bool) {
	if len(code) < 4 {
		return len(code), fmt.Sprintf(".byte %#x", code), false
	}
	word := binary.LittleEndian.Uint32(code)
	inst, err := arm64asm.Decode(code[:4])
	if err != nil || inst.Op == 0 {
		return 4, fmt.Sprintf(".inst %#08x", word), false
	}
	text := strings.TrimSpace(arm64asm.GNUSyntax(inst))
	for _, arg := range inst.Args {
		relative, ok := arg.(arm64asm.PCRel)
		if !ok {
			continue
		}
		base := address
		if inst.Op == arm64asm.ADRP {
			base &^= 0xfff
		}
		target := base + uint64(relative)
		text = strings.Replace(text, strings.ToLower(relative.String()), fmt.Sprintf("%#x", target), 1)
		text += bracket(table, target)
	}
	return 4, text, true
}

// bracket is " <symbol+0x…>", or nothing where no symbol has address.
func bracket(table *symbols.Table, address uint64) string {
	if _, _, ok := table.Find(address); !ok {
		return ""
	}
	return " <" + table.Format(address) + ">"
}
