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
	"CLI": stepped, "STI": stepped, "HLT": privileged, "IN": privileged, "OUT": privileged, "INS": privileged, "OUTS": privileged,
	"CLTS": stepped, "INVD": privileged, "WBINVD": stepped, "MOV from CR": stepped, "MOV to CR": stepped,
	"MOV from DR": stepped, "MOV to DR": stepped, "RDMSR": stepped, "WRMSR": stepped, "SYSRET": privileged,
	"LGDT": stepped, "LIDT": stepped, "LLDT": stepped, "LTR": stepped, "INVLPG": stepped, "CLAC, STAC": privileged,
	"INVPCID": privileged, "SETSSBSY, RDPKRU, WRPKRU": own, "INCSSP": own, "WRSS": own, "RDSSP": own,
	"SWAPGS, RDTSCP": privileged, "XGETBV, XSETBV": privileged, "SGDT": stepped, "SIDT": stepped, "SLDT": stepped, "STR": stepped,
	"SYSCALL": leaves, "INT": leaves, "INT3": leaves, "INT1": leaves, "IRET": stepped, "UD0": leaves, "UD1": leaves, "UD2": stepped,
	"RET": stepped, "RETF": stepped, "CALL": stepped, "JMP": stepped, "JMP far": stepped, "Jcc": branches,
	"LOOP": branches, "LOOPE": branches, "LOOPNE": branches, "JRCXZ": branches,
	"PUSH": stepped, "POP": stepped, "PUSHF": stepped, "POPF": stepped, "ENTER": stepped, "LEAVE": stepped, "PUSH segment": stepped, "POP segment": stepped,
	"MOV to segment": stepped, "MOV from segment": stepped, "RDFSBASE": stepped, "RDGSBASE": stepped, "WRFSBASE": stepped, "WRGSBASE": stepped,
	"CPUID": identity, "RDTSC": identity, "RDRAND": "CPUID has none here", "RDSEED": "CPUID has none here",
	"x87": "the real CPU's x87 state is not compared; guests run the control instructions", "FWAIT": "has no effect", "EMMS": "the x87 state is not compared",
	"FXSAVE": "the reserved bytes differ; guests run it", "FXRSTOR": "guests run it", "LDMXCSR": "random rounding modes stop the emulator", "STMXCSR": "the status flags are not kept",
	"XLAT": stepped,
}

const (
	privileged = "privileged: the hand-off's guests run it"
	identity   = "tells what differs between the two CPUs"
	leaves     = "leaves the code under test: guests run it"
	branches   = "TestBranches"
	own        = "the real CPU may not have it, or have it off: a test of its own"
	stepped    = "TestPrivileged of machine/emulated steps it under KVM"
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
	tested, steps := 0, 0
	for name := range names {
		switch reason, exempt := exemptions[name]; {
		case !exempt:
			tested++
		case reason == stepped:
			steps++
		}
	}
	for name, reason := range exemptions {
		require.NotEmpty(t, reason)
		require.True(t, names[name], "%q is exempt and not in the tables", name)
	}
	t.Logf("%d operations: %d compared with the real CPU, %d stepped under KVM, %d exempt", len(names), tested, steps, len(names)-tested-steps)
}
