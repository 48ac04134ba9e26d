package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// defaultSpoolLimit is how much of standard input is kept unless the user
// says otherwise.
const defaultSpoolLimit = 64 << 30

// errSpoolLimit says that standard input is larger than --spool-limit.
var errSpoolLimit = errors.New("standard input is larger than --spool-limit")

// openStandardInput makes standard input readable at offsets: where it is a
// regular file as it is, else by a copy in a temporary file, which Close
// removes.
func (p *program) openStandardInput(d *dump) (io.ReaderAt, int64, error) {
	if file, ok := p.in.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			return file, info.Size(), nil
		}
	}
	file, err := os.CreateTemp("", "dumper-")
	if err != nil {
		return nil, 0, fmt.Errorf("spool standard input: %w", err)
	}
	d.close = append(d.close, func() error { return os.Remove(file.Name()) }, file.Close)
	size, err := io.Copy(file, io.LimitReader(p.in, p.spoolLimit))
	if err != nil {
		return nil, 0, fmt.Errorf("spool standard input after %d bytes: %w", size, err)
	}
	if size == p.spoolLimit {
		var more [1]byte
		if n, _ := io.ReadFull(p.in, more[:]); n > 0 {
			return nil, 0, fmt.Errorf("%w of %d bytes", errSpoolLimit, p.spoolLimit)
		}
	}
	return file, size, nil
}
