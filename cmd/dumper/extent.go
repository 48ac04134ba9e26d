package main

import (
	"fmt"
	"github.com/seed64aab995/rescuekernel/cmd/internal/cli"
	"io"
	"os"
	"strconv"
	"strings"
)

// extentName is DEVICE[:START+LENGTH] taken apart. Length 0 is all that there
// is.
type extentName struct {
	path          string
	start, length int64
}

// parseExtent takes a name apart. A file that has just this name is itself,
// whatever looks like an extent in it.
func parseExtent(name string) (extentName, error) {
	whole := extentName{path: name}
	at := strings.LastIndexByte(name, ':')
	if at <= 0 {
		return whole, nil
	}
	from, to, ok := strings.Cut(name[at+1:], "+")
	if !ok {
		return whole, nil
	}
	if _, err := os.Lstat(name); err == nil {
		return whole, nil
	}
	start, err := parseOffset(from)
	if err != nil {
		return whole, usagef("%s: start of the extent: %v", name, err)
	}
	length, err := parseOffset(to)
	if err == nil && length == 0 {
		err = fmt.Errorf("it is 0")
	}
	if err != nil {
		return whole, usagef("%s: length of the extent: %v", name, err)
	}
	return extentName{name[:at], start, length}, nil
}

// parseOffset reads a size with a unit, or a number with 0x.
func parseOffset(text string) (int64, error) {
	n, err := cli.ParseSize(text)
	if strings.HasPrefix(text, "0x") {
		n, err = strconv.ParseUint(text, 0, 64)
	}
	if err != nil || n > 1<<62 {
		return 0, fmt.Errorf("%q is not a number of bytes", text)
	}
	return int64(n), nil
}

// section is the extent of a file of size bytes, for reading.
func (e extentName) section(file io.ReaderAt, size int64) (*io.SectionReader, error) {
	if e.start > size || e.length > size-e.start {
		return nil, usagef("%s: extent %#x+%#x, but it has %#x bytes", e.path, e.start, e.length, size)
	}
	length := e.length
	if length == 0 {
		length = size - e.start
	}
	return io.NewSectionReader(file, e.start, length), nil
}
