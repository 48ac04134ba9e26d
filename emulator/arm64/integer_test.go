package arm64

import (
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
)

const minus1, low = ^uint64(0), uint64(1<<32 - 1)

// integerCases are instructions with X1 and X2, C set, and what comes of them in
// X0 and NZCV.
var integerCases = []struct {
	name   string
	word   uint32
	x1, x2 uint64
	want   uint64
	flags  uint8
}{
	{"add x0, x1, #0xfff, lsl #12", 0x917ffc20, 1, 0, 0xfff001, flagC},
	{"adds w0, w1, w2", 0x2b020020, low, 1, 0, flagZ | flagC},
	{"adds x0, x1, x2", 0xab020020, 1<<63 - 1, 1, 1 << 63, flagN | flagV},
	{"subs x0, x1, #1", 0xf1000420, 0, 0, minus1, flagN},
	{"subs w0, w1, w2", 0x6b020020, 1 << 31, 1, 1<<31 - 1, flagC | flagV},
	{"sub x0, x1, w2, sxtb #2", 0xcb228820, 0, 0xff, 4, flagC},
	{"add x0, x1, w2, uxth", 0x8b222020, 1, 0x12345, 0x2346, flagC},
	{"adc x0, x1, x2", 0x9a020020, 1, 2, 4, flagC},
	{"sbcs x0, x1, x2", 0xfa020020, 1, 2, minus1, flagN},
	{"and x0, x1, #0xff00ff00ff00ff", 0x92009c20, minus1, 0, 0x00ff00ff00ff00ff, flagC},
	{"ands w0, w1, #0x80000000", 0x72010020, low, 0, 1 << 31, flagN},
	{"orn x0, x1, x2", 0xaa220020, 0, low, minus1 - low, flagC},
	{"eor w0, w1, w2, ror #8", 0x4ac22020, 0, 0x12345678, 0x78123456, flagC},
	{"bics x0, x1, x2", 0xea220020, low, low, 0, flagZ},
	{"movn w0, #0", 0x12800000, 0, 0, low, flagC},
	{"movz x0, #1, lsl #48", 0xd2e00020, 0, 0, 1 << 48, flagC},
	{"movk x0, #0xffff, lsl #16", 0xf2bfffe0, 0, 0, 0xffff0000, flagC},
	{"sbfx x0, x1, #4, #4", 0x93441c20, 0x80, 0, minus1 - 7, flagC},
	{"ubfiz w0, w1, #28, #4", 0x53040c20, 0xff, 0, 0xf0000000, flagC},
	{"bfxil x0, x1, #8, #8", 0xb3483c20, 0x1234, 0, 0x12, flagC},
	{"asr w0, w1, #31", 0x131f7c20, 1 << 31, 0, low, flagC},
	{"extr x0, x1, x2, #60", 0x93c2f020, 0x1, 0xa << 60, 0x1a, flagC},
	{"lslv w0, w1, w2", 0x1ac22020, 1, 33, 2, flagC},
	{"asrv x0, x1, x2", 0x9ac22820, 1 << 63, 65, 3 << 62, flagC},
	{"udiv x0, x1, x2", 0x9ac20820, 7, 0, 0, flagC},
	{"sdiv w0, w1, w2", 0x1ac20c20, 1 << 31, low, 1 << 31, flagC},
	{"madd x0, x1, x2, x1", 0x9b020420, 3, 4, 15, flagC},
	{"msub w0, w1, w2, wzr", 0x1b02fc20, 3, 4, low - 11, flagC},
	{"smulh x0, x1, x2", 0x9b427c20, minus1, 2, minus1, flagC},
	{"umulh x0, x1, x2", 0x9bc27c20, minus1, 2, 1, flagC},
	{"smaddl x0, w1, w2, xzr", 0x9b227c20, low, 5, minus1 - 4, flagC},
	{"rbit w0, w1", 0x5ac00020, 1, 0, 1 << 31, flagC},
	{"rev16 x0, x1", 0xdac00420, 0x0102030405060708, 0, 0x0201040306050807, flagC},
	{"rev32 x0, x1", 0xdac00820, 0x0102030405060708, 0, 0x0403020108070605, flagC},
	{"rev x0, x1", 0xdac00c20, 0x0102030405060708, 0, 0x0807060504030201, flagC},
	{"clz w0, w1", 0x5ac01020, 1, 0, 31, flagC},
	{"cls x0, x1", 0xdac01420, minus1, 0, 63, flagC},
	{"csel x0, x1, x2, cs", 0x9a822020, 1, 2, 1, flagC},
	{"csinv x0, x1, x2, eq", 0xda820020, 1, 2, minus1 - 2, flagC},
	{"cset x0, cs", 0x9a9f37e0, 0, 0, 1, flagC},
	{"ccmp x1, #1, #0, cs", 0xfa412820, 1, 0, 0, flagZ | flagC},
	{"ccmn x1, x2, #5, eq", 0xba420025, 1, 0, 0, flagZ | flagV},
}

// TestInteger executes instructions for which the results are plain to see.
// TestDifferential has the rest.
func TestInteger(t *testing.T) {
	t.Parallel()
	for _, test := range integerCases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newBed(t, Config{Model: Max})
			r.c.r[1], r.c.r[2] = test.x1, test.x2
			r.c.setFlags(flagC)
			r.run(test.word)
			require.Equal(t, test.want, r.c.r[0], "%#x", r.c.r[0])
			require.Equal(t, test.flags, r.c.nzcv(), "%04b", r.c.nzcv())
		})
	}
}

// TestChecksum compares CRC32B and CRC32CX with package crc32.
func TestChecksum(t *testing.T) {
	t.Parallel()
	r := newBed(t, Config{})
	r.c.r[1], r.c.r[2] = 0xffffffff, 'a'
	r.run(0x1ac24020) // CRC32B W0, W1, W2
	require.Equal(t, crc32.ChecksumIEEE([]byte("a")), ^uint32(r.c.r[0]))
	r.c.r[2] = 0x6867666564636261
	r.run(0x9ac25c20) // CRC32CX W0, W1, X2
	require.Equal(t, crc32.Checksum([]byte("abcdefgh"), crc32.MakeTable(crc32.Castagnoli)), ^uint32(r.c.r[0]))
}

// TestFeatures: what a model lacks is UNDEFINED there and done on another.
func TestFeatures(t *testing.T) {
	t.Parallel()
	for name, word := range map[string]uint32{
		"LDADDAL": 0xf8e00041, "CAS": 0xc8a07c41, "LDAPR": 0xf8bfc041, "CFINV": 0xd500401f, "MSR PAN": 0xd500419f, "SB": 0xd50330ff,
	} {
		for _, model := range []Model{CortexA57, Max} {
			r := newBed(t, Config{Model: model})
			r.c.r[2] = bedData
			r.run(word)
			if model == Max {
				require.EqualValues(t, bedCode+4, r.c.pc, "%s", name)
			} else {
				require.EqualValues(t, 0x200, r.c.pc, "%s", name)
				require.EqualValues(t, 1<<25, r.c.sys.esr[1])
			}
		}
	}
}
