package ieee

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// values are patterns of a format, often at an edge.
func values(r *rand.Rand, f Format) uint64 {
	switch r.IntN(6) {
	case 0:
		return []uint64{0, 1, f.infinity(), f.largest(), f.defaultNaN(), f.infinity() + 1, 1 << f.fraction(), 1<<f.fraction() - 1}[r.IntN(8)] | f.signed(r.IntN(2) == 0)
	case 1, 2:
		exponent := uint64(f.bias() - 4 + r.IntN(8))
		return exponent<<f.fraction() | r.Uint64()&r.Uint64()&r.Uint64()&(1<<f.fraction()-1) | f.signed(r.IntN(2) == 0)
	case 3:
		exponent := uint64(f.bias() - 60 + r.IntN(120))
		return exponent<<f.fraction()&f.infinity() | r.Uint64()&(1<<f.fraction()-1) | f.signed(r.IntN(2) == 0)
	}
	return r.Uint64() & (f.sign()<<1 - 1)
}

// TestNearest compares with the computer's arithmetic, bit by bit but for NaNs.
func TestNearest(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	same := func(name string, f Format, got uint64, want float64, operands ...uint64) {
		bits := math.Float64bits(want)
		if f == Single {
			bits = uint64(math.Float32bits(float32(want)))
		}
		if want != want {
			require.Greater(t, f.Abs(got), f.infinity(), "%s of %#x", name, operands)
			return
		}
		require.Equal(t, bits, got, "%s of %#x", name, operands)
	}
	for range 100_000 {
		f := Format(r.IntN(2))
		a, b, c := values(r, f), values(r, f), values(r, f)
		number := math.Float64frombits
		if f == Single {
			number = single
		}
		x, y := number(a), number(b)
		u := &Unit{FPSR: uint32(r.IntN(2)) * Inexact}
		same("sum", f, u.Add(f, a, b), x+y, a, b)
		same("difference", f, u.Sub(f, a, b), x-y, a, b)
		same("product", f, u.Mul(f, a, b), x*y, a, b)
		same("quotient", f, u.Div(f, a, b), x/y, a, b)
		same("root", f, u.Sqrt(f, a), math.Sqrt(x), a)
		same("integer", f, u.RoundToIntegral(f, a, Nearest, false), math.RoundToEven(x), a)
		same("integer", f, u.RoundToIntegral(f, a, Away, false), math.Round(x), a)
		same("integer", f, u.RoundToIntegral(f, a, Down, true), math.Floor(x), a)
		if f == Double {
			same("fused", f, u.MulAdd(f, c, a, b), math.FMA(x, y, math.Float64frombits(c)), a, b, c)
			same("single", Single, u.Convert(Double, Single, a), x, a)
		} else {
			same("double", Double, u.Convert(Single, Double, a), x, a)
		}
	}
}

// TestFastIsSlow compares fast forms with the general ones, flags included.
func TestFastIsSlow(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	fast := 0
	for range 200_000 {
		f := Format(r.IntN(2))
		a, b, c := values(r, f), values(r, f), values(r, f)
		set := uint32(r.IntN(2)) * Inexact
		forms := []struct {
			name string
			fast func(u *Unit) (uint64, bool)
			slow func(u *Unit) uint64
		}{
			{"add", func(u *Unit) (uint64, bool) { return u.fastAdd(f, a, b) }, func(u *Unit) uint64 {
				return u.add(f, u.unpack(f, a), u.unpack(f, b))
			}},
			{"mul", func(u *Unit) (uint64, bool) { return u.fastMul(f, a, b) }, func(u *Unit) uint64 { return u.mul(f, a, b, false) }},
			{"fma", func(u *Unit) (uint64, bool) { return u.fastMulAdd(f, c, a, b) }, func(u *Unit) uint64 {
				s, ok := sum(wide(u.unpack(f, c)), product(u.unpack(f, a), u.unpack(f, b)))
				if !ok {
					return 0
				}
				return u.round(f, s.narrow(), Nearest)
			}},
		}
		for _, form := range forms {
			u := &Unit{FPSR: set}
			got, ok := form.fast(u)
			if !ok {
				continue
			}
			fast++
			v := &Unit{FPSR: set}
			require.Equal(t, form.slow(v), got, "%s of %#x, %#x, %#x", form.name, a, b, c)
			require.Equal(t, *v, *u, "flags of %s of %#x, %#x, %#x", form.name, a, b, c)
		}
	}
	require.Greater(t, fast, 100_000)
}

func TestIntegers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		in       float64
		width    uint
		unsigned bool
		rounding Rounding
		want     uint64
		flags    uint32
	}{
		{"exact", 3, 64, false, Zero, 3, 0},
		{"negative", -3.5, 64, false, Zero, ^uint64(2), Inexact},
		{"32 bits", -3.5, 32, false, Down, 0xfffffffc, Inexact},
		{"ties to even", 2.5, 64, false, Nearest, 2, Inexact},
		{"ties away", 2.5, 64, false, Away, 3, Inexact},
		{"too large", 1e30, 64, false, Nearest, 1<<63 - 1, InvalidOperation},
		{"lowest", -1 << 63, 64, false, Nearest, 1 << 63, 0},
		{"too low", -1e30, 32, false, Nearest, 1 << 31, InvalidOperation},
		{"negative as unsigned", -1, 64, true, Nearest, 0, InvalidOperation},
		{"small negative as unsigned", -0.25, 64, true, Nearest, 0, Inexact},
		{"largest unsigned", 1 << 63, 64, true, Nearest, 1 << 63, 0},
		{"NaN", math.NaN(), 64, false, Nearest, 0, InvalidOperation},
	} {
		var u Unit
		require.Equal(t, tt.want, u.ToInteger(Double, math.Float64bits(tt.in), tt.width, tt.unsigned, 0, tt.rounding), tt.name)
		require.Equal(t, tt.flags, u.FPSR, tt.name)
	}
	var u Unit
	require.Equal(t, math.Float64bits(-1), u.FromInteger(Double, 0xffffffff, 32, false, 0))
	require.Equal(t, math.Float64bits(0.5), u.FromInteger(Double, 1, 32, true, 1))
	require.Zero(t, u.FPSR)
}

func BenchmarkAdd(b *testing.B) {
	u := &Unit{}
	v := math.Float64bits(1.1)
	for range b.N {
		v = u.Add(Double, v, 0x3ff3333333333333)
	}
}

func BenchmarkSlowAdd(b *testing.B) {
	u := &Unit{FPCR: 3 << 22}
	v := math.Float64bits(1.1)
	for range b.N {
		v = u.Add(Double, v, 0x3ff3333333333333)
	}
}
