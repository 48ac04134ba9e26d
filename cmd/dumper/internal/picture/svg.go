package picture

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"image/color"
	"io"
	"strings"
)

// SVG writes the picture as a scalable drawing.
func (p *Picture) SVG(w io.Writer) error {
	out := bufio.NewWriter(w)
	width, height := p.extent()
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="monospace" font-size="12" shape-rendering="crispEdges">`+"\n",
		width, height, width, height)
	fmt.Fprintf(out, "<title>%s</title>\n", escape(p.Title))
	p.draw(svg{out})
	fmt.Fprintln(out, "</svg>")
	return out.Flush()
}

type svg struct{ out *bufio.Writer }

func (s svg) rectangle(x, y, width, height int, c color.RGBA) {
	fmt.Fprintf(s.out, `<rect x="%d" y="%d" width="%d" height="%d" fill="#%02x%02x%02x"/>`+"\n", x, y, width, height, c.R, c.G, c.B)
}

func (s svg) text(x, y int, text string) {
	fmt.Fprintf(s.out, `<text x="%d" y="%d" fill="#%02x%02x%02x">%s</text>`+"\n", x, y, ink.R, ink.G, ink.B, escape(text))
}

func escape(text string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(text)); err != nil {
		return "" // a Builder does not fail
	}
	return b.String()
}
