package kernel

import (
	"debug/elf"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The ring is FreeBSD's: position, sum and wrap.
func TestMessageBuffer(t *testing.T) {
	t.Parallel()
	area := make([]byte, messageArea)
	m := &messageBuffer{}
	m.put('x') // without a buffer: nothing
	m.init(address(area), 0x5000)
	text := strings.Repeat("kernel log line\n", 20000)
	for i := range len(text) {
		m.put(text[i])
	}
	head := area[messageRing:]
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(head[at:]) }
	require.EqualValues(t, messageMagic, u32(messageMagicAt))
	require.EqualValues(t, 0x17fb8, u32(messageLength))
	require.EqualValues(t, 16*0x17fb8, u32(messageModulus))
	require.EqualValues(t, len(text)%(16*messageRing), u32(messageWrite))
	require.EqualValues(t, len(text), m.written)
	position := len(text) % messageRing
	ring := string(area[position:messageRing]) + string(area[:position])
	require.Equal(t, text[len(text)-messageRing:], ring)
	var sum uint32
	for _, b := range area[:messageRing] {
		sum += uint32(b)
	}
	require.Equal(t, sum, u32(messageSum))
}

func TestMessageBufferWraps(t *testing.T) {
	t.Parallel()
	area := make([]byte, messageArea)
	m := &messageBuffer{}
	m.init(address(area), 0)
	binary.LittleEndian.PutUint32(area[messageRing+messageWrite:], 16*messageRing-1)
	m.put('a')
	require.Zero(t, binary.LittleEndian.Uint32(area[messageRing+messageWrite:]))
	m.put('b')
	require.Equal(t, "b", string(area[:1]))
	require.Equal(t, "a", string(area[messageRing-1:messageRing]))
}

func TestVDSO(t *testing.T) {
	t.Parallel()
	page := make([]byte, pageSize)
	buildVDSO(address(page), "__vdso_clock_gettime", 0x1234)
	order := binary.LittleEndian
	require.EqualValues(t, elf.PT_LOAD, order.Uint32(page[64:]))
	require.EqualValues(t, elf.PT_DYNAMIC, order.Uint32(page[64+56:]))
	require.Equal(t, "__vdso_clock_gettime", strings.TrimRight(string(page[0x201:0x240]), "\x00"))
	symbol := page[0x280+24:]
	require.EqualValues(t, 0x1234, order.Uint64(symbol[8:]))
	require.Equal(t, elf.STT_FUNC, elf.ST_TYPE(symbol[4]))
	require.Equal(t, elf.STB_GLOBAL, elf.ST_BIND(symbol[4]))
}

func TestDaysSince1970(t *testing.T) {
	t.Parallel()
	for day := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2105; day = day.AddDate(0, 0, 1) {
		require.EqualValues(t, day.Unix()/86400, daysSince1970(uintptr(day.Year()), uintptr(day.Month()), uintptr(day.Day())), "%v", day)
	}
}
