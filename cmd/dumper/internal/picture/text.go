package picture

import (
	"bufio"
	"fmt"
	"image/color"
	"io"
)

// Text draws the picture in characters, in 24-bit colours if colours is set:
// then each character is two cells, one above the other.
func (p *Picture) Text(w io.Writer, colours bool) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s; a cell is %s\n", p.Title, size(p.PagesPerCell*p.PageSize))
	for i := range p.Bands {
		band := &p.Bands[i]
		fmt.Fprintf(out, "%v %s\n", band.Range, size(band.Range.Size()))
		if colours {
			p.colouredRows(out, band)
		} else {
			p.letteredRows(out, band)
		}
	}
	for class := range classes {
		if p.Total[class] == 0 && !(class == Zero && p.Scanned) {
			continue
		}
		if colours {
			fmt.Fprintf(out, "%s  %s ", background(styles[class].colour), reset)
		} else {
			fmt.Fprintf(out, "%c ", styles[class].letter)
		}
		fmt.Fprintln(out, p.legend(class))
	}
	return out.Flush()
}

const reset = "\x1b[0m"

func foreground(c color.RGBA) string { return fmt.Sprintf("\x1b[38;2;%d;%d;%dm", c.R, c.G, c.B) }
func background(c color.RGBA) string { return fmt.Sprintf("\x1b[48;2;%d;%d;%dm", c.R, c.G, c.B) }

// colouredRows draws two rows of cells with each line of upper half blocks.
func (p *Picture) colouredRows(out *bufio.Writer, band *Band) {
	for top := 0; top < len(band.Cells); top += 2 * p.Columns {
		for column := 0; column < p.Columns && top+column < len(band.Cells); column++ {
			out.WriteString(foreground(band.Cells[top+column].colour()))
			if below := top + p.Columns + column; below < len(band.Cells) {
				out.WriteString(background(band.Cells[below].colour()))
			} else {
				out.WriteString("\x1b[49m")
			}
			out.WriteString("▀")
		}
		out.WriteString(reset + "\n")
	}
}

func (p *Picture) letteredRows(out *bufio.Writer, band *Band) {
	for top := 0; top < len(band.Cells); top += p.Columns {
		for i := top; i < min(top+p.Columns, len(band.Cells)); i++ {
			out.WriteByte(band.Cells[i].letter())
		}
		out.WriteByte('\n')
	}
}

// legend is a class with its pages.
func (p *Picture) legend(class Class) string {
	return fmt.Sprintf("%v: %d pages, %s", class, p.Total[class], size(p.Total[class]*p.PageSize))
}

// size prints bytes in the unit that leaves few digits.
func size(bytes uint64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"}
	value, unit := float64(bytes), 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	if value == float64(int64(value)) {
		return fmt.Sprintf("%d %s", int64(value), units[unit])
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
