package amd64_test

import (
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/stretchr/testify/require"
)

// TestSegments compares with values that are well known: those of Linux's GDT
// (arch/x86/kernel/cpu/common.c), where limits are set that long mode ignores.
func TestSegments(t *testing.T) {
	t.Parallel()
	const ignored = 0x008f_0000_0000_ffff // limit and granularity
	for _, tt := range []struct {
		name string
		got  amd64.SegmentDescriptor
		want amd64.SegmentDescriptor
	}{
		{"kernel code", amd64.SegmentKernelCode, 0x00af_9b00_0000_ffff &^ ignored},
		{"kernel data", amd64.SegmentKernelData, 0x00cf_9300_0000_ffff &^ ignored &^ amd64.Segment32},
		{"user code", amd64.SegmentUserCode, 0x00af_fb00_0000_ffff &^ ignored},
		{"user data", amd64.SegmentUserData, 0x00cf_f300_0000_ffff &^ ignored &^ amd64.Segment32},
		{"32-bit code", amd64.SegmentKernelCode32, 0x00cf_9b00_0000_ffff},
		{"32-bit data", amd64.SegmentKernelData32, 0x00cf_9300_0000_ffff},
	} {
		require.Equal(t, tt.want, tt.got, tt.name)
	}
	require.Equal(t, uint16(0x10), amd64.Selector(2, 0))
	require.Equal(t, uint16(0x33), amd64.Selector(6, 3))
}

func TestSystemDescriptors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{"TSS", amd64.AppendTSSDescriptor(nil, 0xffff_8123_4567_89ab, 0x9_2068), "6820ab8967890945" + "2381ffff00000000"},
		{"interrupt gate", amd64.Gate{Handler: 0xffff_8123_4567_89ab, Selector: 0x10}.Append(nil), "ab891000008e6745" + "2381ffff00000000"},
		{"gate on a stack", amd64.Gate{Handler: 0x1122_3344, Selector: 8, InterruptStack: 3}.Append(nil), "44330800038e2211" + "0000000000000000"},
		{"user's trap gate", amd64.Gate{Handler: 0x1122_3344, Selector: 8, User: true, Trap: true}.Append(nil), "4433080000ef2211" + "0000000000000000"},
		{"operand of LGDT", amd64.DescriptorTable{Base: 0x1122_3344_5566_7788, Limit: 0x7f}.Append(nil), "7f00" + "8877665544332211"},
	} {
		require.Equal(t, tt.want, hex.EncodeToString(tt.got), tt.name)
	}
	require.Len(t, amd64.Gate{}.Append(nil), amd64.GateSize)
	require.Len(t, amd64.DescriptorTable{}.Append(nil), amd64.DescriptorTableSize)
}

func TestTSS(t *testing.T) {
	t.Parallel()
	tss := amd64.TSS{Stacks: [3]uint64{0x1000, 0, 0}, InterruptStacks: [7]uint64{0x2000, 0x3000, 0, 0, 0, 0, 0x8000}}
	b := tss.Append(nil)
	require.Len(t, b, amd64.TSSSize)
	u64 := func(offset int) uint64 { return binary.LittleEndian.Uint64(b[offset:]) }
	require.Equal(t, uint64(0x1000), u64(amd64.TSSOffsetRSP0))
	require.Equal(t, uint64(0x2000), u64(amd64.TSSOffsetInterruptStack1))
	require.Equal(t, uint64(0x3000), u64(amd64.TSSOffsetInterruptStack1+8))
	require.Equal(t, uint64(0x8000), u64(amd64.TSSOffsetInterruptStack1+6*8))
	require.Equal(t, uint16(amd64.TSSSize), binary.LittleEndian.Uint16(b[amd64.TSSOffsetIOMap:]))

	tss.Ports = new(amd64.IOBitmap)
	require.NoError(t, tss.Ports.Allow(0x3f8, 8))
	require.NoError(t, tss.Ports.Allow(0xffff, 1))
	require.NoError(t, tss.Ports.Allow(65536, 0))
	for _, ports := range [][2]int{{-1, 1}, {65536, 1}, {1, -1}, {0xffff, 2}} {
		require.Error(t, tss.Ports.Allow(ports[0], ports[1]))
	}
	b = tss.Append(nil)
	require.Len(t, b, amd64.TSSSize+amd64.IOBitmapSize)
	bitmap := b[amd64.TSSSize:]
	require.Equal(t, byte(0xff), bitmap[amd64.IOBitmapSize-1])
	for port := range 65536 {
		allowed := port >= 0x3f8 && port < 0x400 || port == 0xffff
		if bitmap[port/8]>>(port%8)&1 == 0 != allowed || tss.Ports.Allows(uint16(port)) != allowed {
			require.Failf(t, "wrong bit", "port %#x", port)
		}
	}
}
