package trampoline_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

// feature is a bit of CPUID (Intel SDM 2A, CPUID).
type feature struct {
	name   string
	leaf   int // index in featureLeaves
	output int // EAX, EBX, ECX, EDX
	bit    int
}

var (
	featurePCID     = feature{"PCID", 0, 2, 17}
	featureFSGSBASE = feature{"FSGSBASE", 1, 1, 0}
	featureSMEP     = feature{"SMEP", 1, 1, 7}
	featureSMAP     = feature{"SMAP", 1, 1, 20}
	featureUMIP     = feature{"UMIP", 1, 2, 2}
	featurePKU      = feature{"protection keys", 1, 2, 3}
	featureCET      = feature{"CET shadow stacks", 1, 2, 7}
	featureIBT      = feature{"CET indirect branch tracking", 1, 3, 20}
	featureLA57     = feature{"5-level paging", 1, 2, 16}
)

// cpuidGuest stores leaves 1 and 7 at 0x200000.
var cpuidGuest = []byte{
	0xb9, 0x00, 0x00, 0x00, 0x00, // mov ecx, 0
	0xb8, 0x01, 0x00, 0x00, 0x00, // mov eax, 1
	0x0f, 0xa2, // cpuid
	0x89, 0x04, 0x25, 0x00, 0x00, 0x20, 0x00, // mov [0x200000], eax
	0x89, 0x1c, 0x25, 0x04, 0x00, 0x20, 0x00, // mov [0x200004], ebx
	0x89, 0x0c, 0x25, 0x08, 0x00, 0x20, 0x00, // mov [0x200008], ecx
	0x89, 0x14, 0x25, 0x0c, 0x00, 0x20, 0x00, // mov [0x20000c], edx
	0xb9, 0x00, 0x00, 0x00, 0x00, // mov ecx, 0
	0xb8, 0x07, 0x00, 0x00, 0x00, // mov eax, 7
	0x0f, 0xa2, // cpuid
	0x89, 0x04, 0x25, 0x10, 0x00, 0x20, 0x00, // mov [0x200010], eax
	0x89, 0x1c, 0x25, 0x14, 0x00, 0x20, 0x00, // mov [0x200014], ebx
	0x89, 0x0c, 0x25, 0x18, 0x00, 0x20, 0x00, // mov [0x200018], ecx
	0x89, 0x14, 0x25, 0x1c, 0x00, 0x20, 0x00, // mov [0x20001c], edx
	0xeb, 0xfe, // jmp to itself
}

// machineFeatures asks a machine's CPU what it has.
func machineFeatures(t *testing.T, create func(machine.Config) (machine.Machine, error)) func(feature) bool {
	t.Helper()
	m, ctx := start(t, create, cpuidGuest)
	defer m.Close()
	exit, err := m.RunTo(ctx, uint64(0x107000+len(cpuidGuest)-2))
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v", exit)
	var leaves [32]byte
	_, err = m.Memory().ReadPhysical(leaves[:], 0x200000)
	require.NoError(t, err)
	return func(f feature) bool {
		return binary.LittleEndian.Uint32(leaves[16*f.leaf+4*f.output:])>>f.bit&1 != 0
	}
}
