package picture

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// PNG writes the picture as an image.
func (p *Picture) PNG(w io.Writer) error {
	width, height := p.extent()
	c := raster{image.NewRGBA(image.Rect(0, 0, width, height))}
	p.draw(c)
	return png.Encode(w, c.RGBA)
}

type raster struct{ *image.RGBA }

func (r raster) rectangle(x, y, width, height int, c color.RGBA) {
	draw.Draw(r.RGBA, image.Rect(x, y, x+width, y+height), image.NewUniform(c), image.Point{}, draw.Src)
}

func (r raster) text(x, y int, text string) {
	d := font.Drawer{Dst: r.RGBA, Src: image.NewUniform(ink), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(text)
}
