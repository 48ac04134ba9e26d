package amd64

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// instructionForm is an entry of the decoder's tables and how to write it.
type instructionForm struct {
	entry  *opcode
	form   form
	prefix byte   // mandatory
	opcode []byte // with its escape bytes
	reg    int    // ModRM.reg of a group's member; -1: free
	onlyR  bool   // of a group's second list: register operands
}

func (f instructionForm) name() string { return f.entry.name }

// forms lists all that the tables have in 64-bit mode.
func forms() (all []instructionForm) {
	add := func(e *opcode, prefix byte, code ...byte) {
		if e.group == nil {
			if e.run != nil && e.form&legacy == 0 {
				all = append(all, instructionForm{e, e.form, prefix, code, -1, false})
			}
			return
		}
		for i := range e.group {
			if m := &e.group[i]; m.run != nil && m.form&legacy == 0 {
				all = append(all, instructionForm{m, e.form | m.form, prefix, code, i, false})
			}
		}
		for i := 0; e.other != nil && i < 8; i++ {
			if m := &e.other[i]; m.run != nil {
				all = append(all, instructionForm{m, e.form | m.form, prefix, code, i, true})
			}
		}
	}
	for i := range oneByte {
		add(&oneByte[i], 0, byte(i))
	}
	prefixes := [4]byte{0, 0x66, 0xf3, 0xf2}
	for p, prefix := range prefixes {
		for i := range 256 {
			add(&twoByte[p][i], prefix, 0x0f, byte(i))
			add(&threeByte38[p][i], prefix, 0x0f, 0x38, byte(i))
			add(&threeByte3A[p][i], prefix, 0x0f, 0x3a, byte(i))
		}
	}
	return all
}

// exemptions are the entries that no differential test runs, by name, with the
// reason.
var exemptions = map[string]string{
	"CLI": privileged, "STI": privileged, "HLT": privileged, "IN": privileged, "OUT": privileged, "INS": privileged, "OUTS": privileged,
	"CLTS": privileged, "INVD": privileged, "WBINVD": privileged, "MOV from CR": privileged, "MOV to CR": privileged,
	"MOV from DR": privileged, "MOV to DR": privileged, "RDMSR": privileged, "WRMSR": privileged, "SYSRET": privileged,
	"LGDT": privileged, "LIDT": privileged, "LLDT": privileged, "LTR": privileged, "INVLPG": privileged, "CLAC, STAC": privileged,
	"INVPCID": privileged, "SETSSBSY, RDPKRU, WRPKRU": own, "INCSSP": own, "WRSS": own, "RDSSP": own,
	"SWAPGS, RDTSCP": privileged, "XGETBV, XSETBV": privileged, "SGDT": identity, "SIDT": identity, "SLDT": identity, "STR": identity,
	"SYSCALL": leaves, "INT": leaves, "INT3": leaves, "INT1": leaves, "IRET": leaves, "UD0": leaves, "UD1": leaves, "UD2": leaves,
	"RET": leaves, "RETF": leaves, "CALL": leaves, "JMP": leaves, "JMP far": leaves, "Jcc": branches,
	"LOOP": branches, "LOOPE": branches, "LOOPNE": branches, "JRCXZ": branches,
	"PUSH": stack, "POP": stack, "PUSHF": stack, "POPF": stack, "ENTER": stack, "LEAVE": stack, "PUSH segment": stack, "POP segment": stack,
	"MOV to segment": identity, "MOV from segment": identity, "RDFSBASE": identity, "RDGSBASE": identity, "WRFSBASE": identity, "WRGSBASE": identity,
	"CPUID": identity, "RDTSC": identity, "RDRAND": "CPUID has none here", "RDSEED": "CPUID has none here",
	"x87": "the real CPU's x87 state is not compared; guests run the control instructions", "FWAIT": "has no effect", "EMMS": "the x87 state is not compared",
	"FXSAVE": "the reserved bytes differ; guests run it", "FXRSTOR": "guests run it", "LDMXCSR": "random rounding modes stop the emulator", "STMXCSR": "the status flags are not kept",
	"XLAT": "its address needs RBX; a test of its own",
}

const (
	privileged = "privileged: the hand-off's guests run it"
	identity   = "tells what differs between the two CPUs"
	leaves     = "leaves the code under test: guests run it"
	branches   = "TestBranches"
	own        = "the real CPU may not have it, or have it off: a test of its own"
	stack      = "RSP is not the test's: guests run it"
)

// TestFormsAreCovered: every entry of the tables is in the differential test or
// exempt with a reason, and no exemption is left over.
func TestFormsAreCovered(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, f := range forms() {
		names[f.name()] = true
		require.NotEmpty(t, f.name())
	}
	require.Greater(t, len(names), 200)
	tested := 0
	for name := range names {
		if _, exempt := exemptions[name]; !exempt {
			tested++
		}
	}
	for name, reason := range exemptions {
		require.NotEmpty(t, reason)
		require.True(t, names[name], "%q is exempt and not in the tables", name)
	}
	t.Logf("%d operations, %d in the differential test", len(names), tested)
}
