package drill_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/drill"
)

func TestParseFault(t *testing.T) {
	t.Parallel()
	at := func(name string) drill.Point { return drill.Point{Name: name} }
	for text, want := range map[string]drill.Fault{
		"flip 0x200000 at armed":          {Kind: "flip", Place: drill.Place{Offset: 0x200000, Size: 1}, When: at("armed")},
		"flip image+0x12.7 at freeze+3":   {Kind: "flip", Place: drill.Place{Part: "image", Offset: 0x12, Size: 1}, Bit: 7, When: at("freeze"), After: 3},
		"drop hand-off-block/8 at panic":  {Kind: "drop", Place: drill.Place{Part: "hand-off-block", Size: 8}, When: at("panic")},
		"scribble 0x1000/0x2000 at main":  {Kind: "scribble", Place: drill.Place{Offset: 0x1000, Size: 0x2000}, When: at("main")},
		"stale reservation+64/64 at main": {Kind: "stale", Place: drill.Place{Part: "reservation", Offset: 64, Size: 64}, When: at("main")},
		"nmi at freeze+12":                {Kind: "nmi", When: at("freeze"), After: 12},
		"nmi cpu 1 at panic":              {Kind: "nmi", CPU: 1, When: at("panic")},
		"interrupt 0x20 at entry":         {Kind: "interrupt", Vector: 0x20, When: at("entry")},
		"fail write 7":                    {Kind: "fail", Write: 7},
		"tear write 0":                    {Kind: "tear"},
	} {
		got, err := drill.ParseFault(text)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for text, says := range map[string]string{
		"":                              "it is empty; faults are",
		"melt 0x1 at armed":             `there is no fault "melt"; faults are`,
		"flip 0x1":                      "want at and a point at its end",
		"flip 0x1 at noon":              `"noon" is no point: want armed, panic`,
		"flip at armed":                 "want one place behind flip",
		"flip 0x1.8 at armed":           `bit "8" of a byte: want 0 to 7`,
		"flip kitchen at armed":         `"kitchen" is no place: want an address, reservation, or one of hand-off-block,`,
		"flip image+x at armed":         `"x" is no number`,
		"drop 0x1 at armed":             "want a number of bytes: 0x1/8",
		"drop 0x1/0 at armed":           `size "0": want a number of bytes above 0`,
		"interrupt at armed":            "want a vector behind interrupt",
		"interrupt 14 at armed":         "those below are exceptions",
		"nmi on 1 at armed":             `"on 1" behind nmi: want cpu and its number`,
		"fail 7":                        "want fail write and a number",
		"nmi at freeze+":                `"" is no number`,
		"scribble image+1/2/3 at armed": `size "2/3"`,
		"interrupt 300 at armed":        "want 32 to 255",
		"flip image at midnight":        `"midnight" is no point`,
	} {
		_, err := drill.ParseFault(text)
		require.ErrorContains(t, err, says, text)
	}
}

func FuzzParseFault(f *testing.F) {
	for _, seed := range []string{"flip image+0x12.7 at freeze+3", "nmi cpu 1 at panic", "tear write 3", "drop 0x1/8 at main"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if fault, err := drill.ParseFault(text); err == nil {
			require.NotEmpty(t, fault.Kind)
		}
	})
}

// What goes wrong by script is found by a drill, or does no harm.
func TestFaultsOfADrill(t *testing.T) {
	for _, test := range []struct{ fault, phase, says string }{
		{"flip image+0x12345 at armed", "panic", "it refused to hand over: broken seals 0x8"},
		{"flip hand-off-block+0x28 at panic", "panic", "it refused to hand over: broken seals 0x8000000000000000"},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			c := traceConfig(t).Config
			f, err := drill.ParseFault(test.fault)
			require.NoError(t, err)
			c.Faults = []drill.Fault{f}
			_, err = drill.Run(t.Context(), c)
			var failed *drill.PhaseError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, test.phase, failed.Phase, "%v", err)
			require.ErrorContains(t, err, test.says)
		})
	}
}
