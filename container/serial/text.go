package serial

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// maxLine is where a line of text is broken.
const maxLine = 8192

// textWriter passes lines of text on. What is left of a garbled frame is not
// text, and is counted.
type textWriter struct {
	w       io.Writer
	line    []byte
	tainted bool // the line begins in what is left of a frame
	garbage uint64
}

// resume says that a good frame came: what follows is text again.
func (t *textWriter) resume() {
	if t.tainted {
		t.end()
		t.tainted = false
	}
}

// take takes bytes that are in no frame.
func (t *textWriter) take(p []byte) {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		n := len(p)
		if i >= 0 {
			n = i + 1
		}
		n = min(n, maxLine-len(t.line))
		t.line = append(t.line, p[:n]...)
		p = p[n:]
		if len(t.line) == maxLine || t.line[len(t.line)-1] == '\n' {
			t.end()
		}
	}
}

// skip counts bytes that are known not to be text. What follows up to the end
// of the line may be more of them.
func (t *textWriter) skip(n int) {
	t.end()
	t.tainted = true
	t.garbage += uint64(n)
}

// end passes the line on if it is one. An error of the writer loses text, and
// must not lose the dump.
func (t *textWriter) end() {
	if len(t.line) == 0 {
		return
	}
	tainted := t.tainted
	t.tainted = tainted && t.line[len(t.line)-1] != '\n'
	if tainted || !isText(t.line) {
		t.garbage += uint64(len(t.line))
	} else if t.w != nil {
		_, _ = t.w.Write(t.line)
	}
	t.line = t.line[:0]
}

// isText reports whether p is UTF-8 without control characters beside those
// that consoles use: tab, line ends, and escape sequences.
func isText(p []byte) bool {
	for _, c := range p {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != 0x1b || c == 0x7f {
			return false
		}
	}
	return utf8.Valid(p)
}
