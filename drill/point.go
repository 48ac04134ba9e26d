package drill

import (
	"fmt"
	"strconv"
	"strings"
)

// Points of a hand-off, in its order.
const (
	PointArmed  = "armed"  // the host has armed, and works
	PointPanic  = "panic"  // the panic's first write, to what the reservation has for it
	PointFreeze = "freeze" // the freeze point: the trampoline's first instruction
	PointEntry  = "entry"  // the rescue image's first instruction
	PointMain   = "main"   // the rescue program's main.main
)

// Point is a place in a run: one with a name, an address or a symbol, or a
// number of instructions behind another point.
type Point struct {
	Name    string // one of the Points; "" = another kind
	Address uint64
	Symbol  string // of the host, or with rescue: in front, of the rescue program
	Count   uint64 // instructions of all CPUs behind the point before
}

// rescueSymbol is in front of a symbol of the rescue program.
const rescueSymbol = "rescue:"

// ParsePoint reads a point: armed, panic, freeze, entry, main; an address, with
// 0x; +N, N instructions later; anything else is a symbol.
func ParsePoint(text string) (Point, error) {
	switch text {
	case PointArmed, PointPanic, PointFreeze, PointEntry, PointMain:
		return Point{Name: text}, nil
	case "", rescueSymbol:
		return Point{}, fmt.Errorf("a point is empty: want armed, panic, freeze, entry, main, an address, a symbol, or +instructions")
	}
	if count, ok := strings.CutPrefix(text, "+"); ok {
		n, err := strconv.ParseUint(count, 0, 64)
		if err != nil || n == 0 {
			return Point{}, fmt.Errorf("point %q: want + and a number of instructions above 0", text)
		}
		return Point{Count: n}, nil
	}
	if text[0] >= '0' && text[0] <= '9' {
		a, err := strconv.ParseUint(text, 0, 64)
		if err != nil || !strings.HasPrefix(text, "0x") {
			return Point{}, fmt.Errorf("point %q: an address is hexadecimal, with 0x; a number of instructions has a + in front", text)
		}
		return Point{Address: a}, nil
	}
	return Point{Symbol: text}, nil
}

// String is how ParsePoint reads the point.
func (p Point) String() string {
	switch {
	case p.Name != "":
		return p.Name
	case p.Symbol != "":
		return p.Symbol
	case p.Count != 0:
		return fmt.Sprintf("+%d", p.Count)
	}
	return fmt.Sprintf("%#x", p.Address)
}

// order is where a named point lies in a hand-off.
func (p Point) order() int {
	for i, name := range []string{PointArmed, PointPanic, PointFreeze, PointEntry, PointMain} {
		if p.Name == name {
			return i
		}
	}
	return -1
}
