package arm64

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// exemptions are the operations that are not in the differential test, by name,
// with the reason.
var exemptions = map[string]string{
	"ERET": privileged, "DRPS": privileged, "MSR (immediate)": privileged, "SYS": ownTest, "SYSL": privileged,
	"MSR (register)": ownTest, "MRS": ownTest, "WFI": waits, "WFE": waits, "SEV": waits, "SEVL": waits,
	"SVC": calls, "HVC": calls, "SMC": calls,
	"BRK": "is the way out of the test", "HLT": "semihosting in QEMU", "DCPS": "of the debugger", "UDF": "is UNDEFINED by definition",
}

const (
	privileged = "EL0 may not, or sees what differs between computers: the guests run it"
	ownTest    = "TestUserRegisters runs what EL0 may, TestSystemEncodings each there is, TestSystemProgram what they do"
	waits      = "its effect is in time"
	calls      = "calls the kernel: the guests run it"
)

// exemption gives the reason why an operation is not in the differential test.
func exemption(o *opcode) (string, bool) {
	reason, ok := exemptions[o.name]
	return reason, ok
}

// operations is how many entries of the tables are in the differential test.
func operations() int {
	n := 0
	for i := range decoding.all {
		if _, exempt := exemption(&decoding.all[i]); !exempt {
			n++
		}
	}
	return n
}

// TestOperationsAreCovered: every entry of the tables is in the differential
// test or exempt with a reason, and no exemption is left over. The test makes an
// instance of every entry that is not exempt; so it is enough that no entry is
// without a name, and that names which stand for something privileged are
// exempt.
func TestOperationsAreCovered(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for i := range decoding.all {
		o := &decoding.all[i]
		require.NotEmpty(t, o.name)
		names[o.name] = true
		if o.form&system != 0 {
			require.Contains(t, exemptions, o.name)
		}
	}
	for name, reason := range exemptions {
		require.NotEmpty(t, reason)
		require.True(t, names[name], "%q is exempt and not in the tables", name)
	}
	require.Greater(t, operations(), 800)
	t.Logf("%d entries, %d in the differential test", len(decoding.all), operations())
}
