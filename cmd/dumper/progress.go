package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// plainInterval is how often progress is told where there is no terminal.
const plainInterval = 5 * time.Second

// progress tells on standard error how far long work is: a bar with rate and
// time left on a terminal, a line every few seconds elsewhere, and nothing of
// work that is done before the first of them.
type progress struct {
	program *program
	what    string
	bar     *progressbar.ProgressBar // nil where there is no terminal
	start   time.Time
	last    time.Time
}

func (p *program) progress(what string) *progress {
	now := time.Now()
	return &progress{program: p, what: what, start: now, last: now}
}

// update is called with the bytes that are done; total is -1 where nobody
// knows it.
func (g *progress) update(done, total int64) {
	now := time.Now()
	if isTerminal(g.program.errors) {
		if g.bar == nil {
			g.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(g.program.errors), progressbar.OptionShowBytes(true),
				progressbar.OptionUseIECUnits(true), progressbar.OptionSetDescription(g.what), progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth(), progressbar.OptionShowTotalBytes(true))
		}
		_ = g.bar.Set64(done) // a bar that cannot be drawn stops no work
		return
	}
	if now.Sub(g.last) < plainInterval {
		return
	}
	g.last = now
	g.program.warn("%s", g.line(done, total, now.Sub(g.start)))
}

// line is what is told without a terminal.
func (g *progress) line(done, total int64, elapsed time.Duration) string {
	rate := float64(done) / elapsed.Seconds()
	text := fmt.Sprintf("%s: %s, %s/s", g.what, size(done), size(int64(rate)))
	if total > 0 && rate > 0 {
		left := time.Duration(float64(total-done) / rate * float64(time.Second))
		text = fmt.Sprintf("%s: %d%%, %s of %s, %s/s, %v left", g.what, done*100/total, size(done), size(total), size(int64(rate)), left.Round(time.Second))
	}
	return text
}

// end takes the bar off the terminal.
func (g *progress) end() {
	if g.bar != nil {
		_ = g.bar.Clear()
	}
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream io.Writer) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
