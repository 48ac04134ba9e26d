package emulated_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// windowEntry is a random entry of a table: most are good.
func (o *oracle) windowEntry(level int) uint64 {
	const present, write, user, accessed, dirty, large, global, noExecute = 1, 2, 4, 0x20, 0x40, 0x80, 0x100, 1 << 63
	next := uint64(windowTables + 0x1000*(4-level))
	if level == 1 {
		next = windowPages + 0x1000*uint64(o.random.IntN(8))
	}
	e := next | present | write
	for bit, chance := range map[uint64]int{write: 4, user: 2, accessed: 2, dirty: 2, global: 8, noExecute: 6} {
		if o.random.IntN(chance) == 0 {
			e ^= bit
		}
	}
	if level == 4 {
		e &^= global // reserved there on AMD's CPUs, ignored on Intel's
	}
	switch o.random.IntN(24) {
	case 0:
		e &^= present
	case 1:
		e |= 1 << 51 // reserved: there are fewer physical bits
	case 2:
		if level == 2 {
			e = e&0xfff | 0x200000 | large | e&noExecute // 2 MiB, from 2 MiB on
		}
	case 3:
		if level > 1 && level < 4 {
			e |= large // an address that is not a multiple of its size
		}
	}
	return e
}

// TestWalks loads, stores and executes through random page tables under KVM and
// here: what was read, error codes, CR2, and the accessed and dirty flags.
func TestWalks(t *testing.T) {
	t.Parallel()
	n, seed := oracleCases(t, 600)
	o := newOracle(t, seed)
	stuck, faults := 0, 0
	for i := range n {
		tables := make([]byte, windowEnd-windowTables)
		for at := windowPages - windowTables; at < len(tables); at += 8 { // NOPs, and marks
			binary.LittleEndian.PutUint64(tables[at:], 0x9090909090909090)
		}
		o.t = t
		for level := 3; level >= 1; level-- {
			for index := range 2 {
				binary.LittleEndian.PutUint64(tables[(3-level)*0x1000+8*index:], o.windowEntry(level))
			}
		}
		root := binary.LittleEndian.AppendUint64(nil, o.windowEntry(4))
		va := uint64(windowVA) + uint64(o.random.IntN(2))<<30 + uint64(o.random.IntN(2))<<21 + uint64(o.random.IntN(2))<<12 + 8*uint64(o.random.IntN(512))
		// What reads and then writes is left out: KVM here walks twice for it.
		code := choose(o, []byte{0x48, 0x8b, 0x06}, []byte{0x48, 0x89, 0x06}, []byte{0xff, 0xe6})
		o.begin(append(code, 0x90), func(s *machine.AMD64State) {
			s.Registers[machine.RSI] = va
			s.CR0 ^= uint64(o.random.IntN(2)) << 16 // WP
			s.CR4 |= uint64(o.random.IntN(2)) << 7  // PGE
		})
		for _, m := range o.machines {
			_, err := m.Memory().WritePhysical(tables, windowTables)
			require.NoError(t, err)
			_, err = m.Memory().WritePhysical(root, privilegedTables+8*(windowVA>>39))
			require.NoError(t, err)
			s, err := m.State(0) // the tables are others: forget the old ones
			require.NoError(t, err)
			require.NoError(t, m.SetState(0, s))
		}
		steps := 1
		if code[0] == 0xff {
			steps = 2
		}
		different := ""
		for range steps {
			d, cannot := o.step()
			different += d
			if cannot {
				stuck++
			}
		}
		different += o.differentMemory()
		require.Empty(t, different, "case %d: % x at %#x, %s", i, code, va, o.window(va, root))
		s, err := o.machines[1].State(0)
		require.NoError(t, err)
		if s.(*machine.AMD64State).CR2 != 0 {
			faults++
		}
	}
	require.Zero(t, stuck)
	require.Greater(t, faults, n/10)
	require.Less(t, faults, n*9/10)
	t.Logf("%d walks, %d page faults", n, faults)
}

// window shows the entries that lead to va.
func (o *oracle) window(va uint64, root []byte) string {
	o.t.Helper()
	text := fmt.Sprintf("entries %#x", binary.LittleEndian.Uint64(root))
	for level := uint64(3); level >= 1; level-- {
		var b [8]byte
		index := va >> (3 + 9*level) & 511
		_, err := o.machines[1].Memory().ReadPhysical(b[:], physmem.Address(windowTables+0x1000*(3-level)+8*index))
		require.NoError(o.t, err)
		text += fmt.Sprintf(" %#x", binary.LittleEndian.Uint64(b[:]))
	}
	return text
}
