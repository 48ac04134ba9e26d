package arm64

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator/arm64/internal/native"
)

// TestModels executes every operation on models that lack some, where they must
// be UNDEFINED.
func TestModels(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH == "arm64" {
		t.Skip("compares with CPU models of QEMU's")
	}
	for _, model := range []Model{CortexA57, NeoverseN1} {
		r := newRig(t, *seed, model, string(model))
		undefined := 0
		for range 2 {
			for i := range decoding.all {
				o := &decoding.all[i]
				if _, exempt := exemption(o); exempt {
					continue
				}
				if o.needs&^model.features() != 0 {
					undefined++
				}
				if len(r.cases) == native.Slots {
					r.flush(func(name string, c *native.Case, d string) { t.Errorf("%s: %s: %s\n\t%s", model, name, describe(c), d) })
				}
				r.add(o.name, r.instance(o, len(r.cases)))
			}
		}
		r.flush(func(name string, c *native.Case, d string) { t.Errorf("%s: %s: %s\n\t%s", model, name, describe(c), d) })
		t.Logf("%s: %d undefined", model, undefined)
	}
}

// TestUndefined: words that are in no table are UNDEFINED on an ARMv8.0 CPU, but
// for loads and stores that are exclusive or ordered and have zeros in fields
// that should be ones, which QEMU does not look at. So nothing is missing.
func TestUndefined(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH == "arm64" {
		t.Skip("compares with a CPU model of QEMU's")
	}
	p := start(t, string(CortexA57))
	random := rand.New(rand.NewPCG(*seed, 2))
	results := make([]native.Result, native.Slots)
	rounds := 12
	if *full {
		rounds = 300
	}
	for range rounds {
		cases := make([]native.Case, native.Slots)
		for i := range cases {
			for cases[i].Code[0] = 1; cases[i].Code[0] == 1 || decoding.find(cases[i].Code[0]) != nil; {
				cases[i].Code[0] = unallocated(random)
			}
			for n := range cases[i].X {
				cases[i].X[n] = native.Middle
			}
			cases[i].SP = native.Middle
		}
		require.NoError(t, p.Run(cases, results))
		for i := range cases {
			w := cases[i].Code[0]
			if w&0x3f000000 == 0x08000000 {
				continue
			}
			require.Equal(t, 4, results[i].Signal, "%#08x %s is in no table", w, strings.TrimSpace(describe(&cases[i])))
		}
	}
}

// unallocated is a random word, most often of vectors, floating point, loads or
// stores; none that calls the system or branches.
func unallocated(random *rand.Rand) uint32 {
	for {
		w := random.Uint32()
		switch random.IntN(4) {
		case 0:
			w = w&^0x1e000000 | 0x0e000000
		case 1:
			w = w&^0x0e000000 | 0x08000000
		case 2:
			w = w&^0x3f000000 | 0x1e000000
		}
		if w>>24 != 0xd4 && w>>24 != 0xd5 && w>>25 != 0x6b {
			return w
		}
	}
}
