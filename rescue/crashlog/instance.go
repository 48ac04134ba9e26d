package crashlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// magic begins a header: the format and its version.
const magic = "crashlog 1 "

// suffix ends the name of a file.
const suffix = ".crash"

// lockSuffix ends the name of the file whose lock has who is in Start.
const lockSuffix = ".lock"

// maxHeader is the longest header that is read.
const maxHeader = 8192

// Instance is one run of a program that has ended.
type Instance struct {
	Path    string
	Started time.Time
	Ended   time.Time // when its file was written last; for a Silent one, Started
	PID     int
	Restart string // what tells this run from others: a record.ID in hexadecimal digits
	BuildID string
	Program string

	Crash
	Text []byte // what the runtime wrote, up to Config.Limit bytes
	Size int64  // how many bytes it wrote
}

// header is the first line of a file.
type header struct {
	started time.Time
	pid     int
	restart string
	build   string
	program string
}

// String is the line, with its end. The program's name comes last and runs to
// the end of the line.
func (h header) String() string {
	return fmt.Sprintf("%sstarted=%d pid=%d restart=%s build=%s program=%s\n", magic,
		h.started.UnixNano(), h.pid, word(h.restart), word(h.build), strings.NewReplacer("\n", " ", "\r", " ").Replace(h.program))
}

// word is s without what would end it in a header.
func word(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' {
			return '_'
		}
		return r
	}, s)
}

// parseHeader reads a header without the line's end. A torn one has what came
// before the tear.
func parseHeader(line string) (h header, ok bool) {
	rest, ok := strings.CutPrefix(line, magic)
	if !ok {
		return h, false
	}
	rest, h.program, _ = strings.Cut(rest, " program=")
	for field := range strings.FieldsSeq(rest) {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "started":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				h.started = time.Unix(0, n)
			}
		case "pid":
			if n, err := strconv.Atoi(value); err == nil {
				h.pid = n
			}
		case "restart":
			h.restart = value
		case "build":
			h.build = value
		}
	}
	return h, true
}

func fileName(name string, started time.Time, pid int) string {
	return fmt.Sprintf("%s-%020d-%d%s", name, started.UnixNano(), pid, suffix)
}

// parseName reads what a file's name says. It is what is left of an instance
// that died before its header was on the disk.
func parseName(file, name string) (started time.Time, pid int, ok bool) {
	rest, ok := strings.CutPrefix(file, name+"-")
	if !ok {
		return started, 0, false
	}
	if rest, ok = strings.CutSuffix(rest, suffix); !ok {
		return started, 0, false
	}
	at, number, ok := strings.Cut(rest, "-")
	if !ok || len(at) != 20 {
		return started, 0, false
	}
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return started, 0, false
	}
	if pid, err = strconv.Atoi(number); err != nil {
		return started, 0, false
	}
	return time.Unix(0, n), pid, true
}

// readEnded reads all files whose instances live no more, oldest first.
func readEnded(c Config) ([]Instance, error) {
	entries, err := os.ReadDir(c.Directory)
	if err != nil {
		return nil, fmt.Errorf("crash log: %w", err)
	}
	var found []Instance
	for _, e := range entries {
		started, pid, ok := parseName(e.Name(), c.Name)
		if !ok || !e.Type().IsRegular() {
			continue
		}
		i := Instance{Path: filepath.Join(c.Directory, e.Name()), Started: started, PID: pid}
		if i.read(c.Limit) == nil {
			found = append(found, i)
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].Started.Before(found[j].Started) })
	return found, nil
}

// errLives says that a file's instance has not ended.
var errLives = errors.New("the instance lives")

// read reads an instance's file.
func (i *Instance) read(limit int64) error {
	f, err := os.OpenFile(i.Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if free, err := lock(f); err == nil && !free {
		return errLives
	}
	defer unlock(f)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxHeader+limit))
	if err != nil {
		return err
	}
	i.parse(data, info.Size(), limit)
	i.Ended = info.ModTime()
	if i.Kind == Silent {
		i.Ended = i.Started
	}
	return nil
}

// parse takes a file's beginning apart.
func (i *Instance) parse(data []byte, size, limit int64) {
	if h, rest, ok := cutHeader(data); ok {
		i.Restart, i.BuildID, i.Program = h.restart, h.build, h.program
		size -= int64(len(data) - len(rest))
		data = rest
	}
	i.Size = size
	i.Text = data[:min(int64(len(data)), limit)]
	i.Crash = Parse(i.Text)
}

// cutHeader splits a file at the end of its header.
func cutHeader(data []byte) (h header, rest []byte, ok bool) {
	line, rest, found := bytes.Cut(data[:min(len(data), maxHeader)], []byte("\n"))
	if found {
		rest = data[len(line)+1:]
	}
	h, ok = parseHeader(string(line))
	if !ok {
		return h, data, false
	}
	return h, rest, true
}

// rotate removes files until no more than keep are left: the oldest, which said
// it first, and the newest. It gives those that are left.
func rotate(ended []Instance, keep int) []Instance {
	for len(ended) > keep {
		victim := min(1, len(ended)-1)
		if keep == 1 {
			victim = 0
		}
		if err := os.Remove(ended[victim].Path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return ended
		}
		ended = append(ended[:victim:victim], ended[victim+1:]...)
	}
	return ended
}
