package picture

import "image/color"

// canvas is what a picture is drawn on. Lengths are pixels from the upper left
// corner; text is placed by the left end of its base line.
type canvas interface {
	rectangle(x, y, width, height int, c color.RGBA)
	text(x, y int, text string)
}

// Measures of the drawing, in pixels. A character of basicfont is 7 by 13.
const (
	cellWidth  = 7
	cellHeight = 7
	margin     = 16
	line       = 18
	swatch     = 12
	character  = 7
	bandGap    = 10
)

var (
	paper = color.RGBA{0xff, 0xff, 0xff, 0xff}
	ink   = color.RGBA{0x22, 0x22, 0x22, 0xff}
)

// extent is the width and height of the whole drawing.
func (p *Picture) extent() (width, height int) {
	height = margin + 2*line
	for i := range p.Bands {
		height += line + p.Bands[i].rows(p.Columns)*cellHeight + bandGap
	}
	height += int(classes)*line + margin
	width = max(p.Columns*cellWidth, len(p.Title)*character, 60*character)
	return width + 2*margin, height
}

// draw draws title, bands and legend.
func (p *Picture) draw(c canvas) {
	width, height := p.extent()
	c.rectangle(0, 0, width, height, paper)
	y := margin + line
	c.text(margin, y-5, p.Title)
	y += line
	c.text(margin, y-5, "a cell is "+size(p.PagesPerCell*p.PageSize)+" of physical memory")
	for i := range p.Bands {
		band := &p.Bands[i]
		y += line
		c.text(margin, y-5, band.Range.String()+"  "+size(band.Range.Size()))
		p.drawCells(c, band, y)
		y += band.rows(p.Columns)*cellHeight + bandGap
	}
	for class := range classes {
		y += line
		c.rectangle(margin, y-swatch-2, swatch, swatch, styles[class].colour)
		text := p.legend(class)
		if class == Zero && !p.Scanned {
			text = class.String() + ": not told apart"
		}
		c.text(margin+swatch+8, y-4, text)
	}
}

// drawCells draws runs of cells of one colour as one rectangle each.
func (p *Picture) drawCells(c canvas, band *Band, y int) {
	for top := 0; top < len(band.Cells); top += p.Columns {
		row := band.Cells[top:min(top+p.Columns, len(band.Cells))]
		for start := 0; start < len(row); {
			of := row[start].colour()
			end := start + 1
			for end < len(row) && row[end].colour() == of {
				end++
			}
			c.rectangle(margin+start*cellWidth, y, (end-start)*cellWidth, cellHeight, of)
			start = end
		}
		y += cellHeight
	}
}
