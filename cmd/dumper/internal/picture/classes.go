package picture

import "image/color"

// Class is what a page is to a dump.
type Class uint8

// The classes, in the order of the legend.
const (
	Dumped    Class = iota // in the dump, with something in it
	Zero                   // in the dump, all zeros
	PageTable              // in the dump, one of the kernel's page tables
	Missing                // should be in the dump and is not: a hole
	Left                   // RAM that the host left out
	classes
)

// classStyle is how a class looks. The colours can be told apart by people who
// do not see red from green.
type classStyle struct {
	name   string
	colour color.RGBA
	letter byte    // in text without colours
	least  float64 // share of a cell's colour that one page has at least
}

var styles = [classes]classStyle{
	Dumped:    {"dumped", color.RGBA{0x33, 0x66, 0xaa, 0xff}, '#', 0},
	Zero:      {"dumped, zero", color.RGBA{0x99, 0xcc, 0xee, 0xff}, 'o', 0},
	PageTable: {"page tables", color.RGBA{0xee, 0x99, 0x33, 0xff}, 'T', 0.4},
	Missing:   {"missing", color.RGBA{0xcc, 0x22, 0x44, 0xff}, '!', 0.6},
	Left:      {"RAM, not in the dump", color.RGBA{0xdd, 0xdd, 0xdd, 0xff}, '.', 0},
}

// String is the class as the legend names it.
func (c Class) String() string { return styles[c].name }

// Cell counts the pages of each class in a cell.
type Cell [classes]uint64

// pages is the number of pages in the cell.
func (c *Cell) pages() (n uint64) {
	for _, count := range c {
		n += count
	}
	return n
}

// colour mixes the colours of the cell's pages.
func (c *Cell) colour() color.RGBA {
	var shares [classes]float64
	var sum float64
	total := float64(c.pages())
	for class, count := range c {
		if count > 0 {
			shares[class] = max(float64(count)/total, styles[class].least)
			sum += shares[class]
		}
	}
	var red, green, blue float64
	for class, share := range shares {
		of := styles[class].colour
		red += float64(of.R) * share / sum
		green += float64(of.G) * share / sum
		blue += float64(of.B) * share / sum
	}
	return color.RGBA{uint8(red + 0.5), uint8(green + 0.5), uint8(blue + 0.5), 0xff}
}

// letter is the letter of the class that decides the cell: one that must be
// seen if it is there, else that of most pages.
func (c *Cell) letter() byte {
	for _, class := range []Class{Missing, PageTable} {
		if c[class] > 0 {
			return styles[class].letter
		}
	}
	most := Left
	for _, class := range []Class{Zero, Dumped} {
		if c[class] > 0 && c[class] >= c[most] {
			most = class
		}
	}
	return styles[most].letter
}
