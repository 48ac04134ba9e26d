package arm64

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator/arm64/internal/native"
)

// named is an entry of the tables.
func named(t *testing.T, name string) *opcode {
	t.Helper()
	for i := range decoding.all {
		if decoding.all[i].name == name {
			return &decoding.all[i]
		}
	}
	require.Fail(t, "no such operation", name)
	return nil
}

// sequences are instructions that blocks join, by name, and what makes them
// follow one another: they name one register.
var sequences = [][]string{
	{"SUBS (immediate)", "B.cond"}, {"SUBS (shifted register)", "B.cond"}, {"SUBS (extended register)", "B.cond"},
	{"ADDS (immediate)", "B.cond"}, {"ANDS (shifted register)", "B.cond"}, {"ANDS (immediate)", "B.cond"},
	{"SUBS (immediate)", "CSEL"}, {"SUBS (shifted register)", "CCMP (immediate)", "B.cond"}, {"SUBS (immediate)", "SBC", "CSINC"},
	{"ADRP", "ADD (immediate)"}, {"ADRP", "ADD (immediate)", "ADD (immediate)"}, {"ADR", "ADD (immediate)"},
	{"MOVZ", "MOVK", "MOVK", "MOVK"}, {"MOVN", "MOVK", "MOVK"}, {"MOVZ", "MOVK", "ADD (shifted register)"},
	{"UBFM", "CBZ"}, {"AND (immediate)", "CBNZ"}, {"SUB (immediate)", "TBZ"},
	{"LDRB (unsigned offset)", "SUBS (immediate)", "B.cond"}, {"STR (64) (unsigned offset)", "LDR (64) (unsigned offset)"}, {"HINT", "SUBS (immediate)", "B.cond"},
	{"FADD (scalar)", "FCMP", "B.cond"}, {"STP (64) (pre-index)", "LDP (64) (post-index)"},
}

// sequence makes a case of several instructions: most often about the same
// register.
func (r *rig) sequence(list []*opcode, slot int) native.Case {
	c := r.instance(list[0], slot)
	register := r.random.Uint32N(31)
	wide := r.random.Uint32N(4) != 0
	for k, o := range list {
		other := r.instance(o, slot)
		w := other.Code[0]
		if k == 0 {
			w = c.Code[0]
		} else if n := w >> 5 & 31; o.form&memory != 0 && n < 31 {
			c.X[n] = other.X[n]
		}
		if o.form&memory == 0 && r.random.IntN(4) != 0 {
			for _, letter := range "dt" {
				if o.uses(letter) {
					w = o.insert(w, letter, register)
				}
			}
			if _, count := o.field('n'); count == 5 && k > 0 {
				w = o.insert(w, 'n', register)
			}
		}
		if _, count := o.field('d'); count == 5 && o.form&branch == 0 && o.name[:2] == "SU" && r.random.IntN(2) == 0 {
			w = o.insert(w, 'd', 31) // CMP
		}
		if o.uses('x') && wide {
			w = o.insert(w, 'x', 1)
		}
		if o.form&branch != 0 {
			to := r.random.IntN(native.Entry - 1)
			if r.random.IntN(2) == 0 {
				to = native.Entry + native.MaxCode + r.random.IntN(4)
			}
			w = o.insert(w, 'i', uint32(to-native.Entry-k))
		}
		c.Code[k] = w
	}
	return c
}

// TestSequences executes instructions that blocks join, and others at random,
// one behind the other.
func TestSequences(t *testing.T) {
	t.Parallel()
	r := newRig(t, *seed+1, Max, qemuModel)
	rounds := 40
	if *full {
		rounds = 2000
	}
	wrong, total := map[string]int{}, 0
	report := func(name string, c *native.Case, d string) {
		if strings.Contains(d, "(class 0x24") && !strings.Contains(d, "FAR 0x48") {
			return // what was loaded, or written back, led elsewhere: there may be memory there
		}
		if wrong[name]++; wrong[name] <= 2 {
			t.Errorf("%s: %s\n\t%s", name, describe(c), d)
		}
	}
	for round := range rounds {
		r.blocks = round%4 != 0
		for _, names := range sequences {
			var list []*opcode
			for _, name := range names {
				list = append(list, named(t, name))
			}
			r.add(names[0]+", "+names[1], r.sequence(list, len(r.cases)))
		}
		for range 20 {
			var list []*opcode
			for len(list) < 3 {
				o := &decoding.all[r.random.IntN(len(decoding.all))]
				if _, exempt := exemption(o); !exempt && o.form&(branch|memory) == 0 {
					list = append(list, o)
				}
			}
			r.add("random", r.sequence(list, len(r.cases)))
		}
		total += len(r.cases)
		r.flush(report)
	}
	t.Logf("%d sequences", total)
}
