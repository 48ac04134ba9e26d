package savecore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// block is what becomes a hole in the file where it is all zeros, as
// savecore's do.
const block = 4096

// copyUnit is read and written at a time.
const copyUnit = 1 << 20

// output is what copier needs of an *os.File.
type output interface {
	io.WriterAt
	Truncate(size int64) error
}

// copier writes a dump to a file from its start.
type copier struct {
	file    output
	sparse  bool  // blocks of zeros become holes
	written int64 // bytes of the dump that the file holds
}

var zeros [block]byte

// copy copies all of data, or as much as it can; c.written tells.
func (c *copier) copy(ctx context.Context, data *io.SectionReader, progress func(done, total int64)) error {
	buffer := make([]byte, copyUnit)
	for c.written < data.Size() {
		if err := ctx.Err(); err != nil {
			return errors.Join(context.Cause(ctx), c.end())
		}
		n, err := data.ReadAt(buffer[:min(copyUnit, data.Size()-c.written)], c.written)
		if writeErr := c.write(buffer[:n]); writeErr != nil {
			return errors.Join(writeErr, c.end())
		}
		if err != nil && (err != io.EOF || c.written < data.Size()) {
			return errors.Join(fmt.Errorf("read the dump at %#x: %w", c.written, err), c.end())
		}
		if progress != nil {
			progress(c.written, data.Size())
		}
	}
	return c.end()
}

// write appends p, leaving holes where it may.
func (c *copier) write(p []byte) error {
	for len(p) > 0 {
		n := len(p)
		if c.sparse {
			n = c.run(p)
		}
		if !c.sparse || !isZero(p[:n]) {
			wrote, err := c.file.WriteAt(p[:n], c.written)
			c.written += int64(wrote)
			if err != nil {
				return err
			}
		} else {
			c.written += int64(n)
		}
		p = p[n:]
	}
	return nil
}

// run is how much of p, from its start, is all holes or all data.
func (c *copier) run(p []byte) int {
	n := min(block, len(p))
	hole := isZero(p[:n])
	for n < len(p) && isZero(p[n:min(n+block, len(p))]) == hole {
		n = min(n+block, len(p))
	}
	return n
}

// isZero reports whether p has nothing but zeros.
func isZero(p []byte) bool {
	for len(p) > block {
		if !bytes.Equal(p[:block], zeros[:]) {
			return false
		}
		p = p[block:]
	}
	return bytes.Equal(p, zeros[:len(p)])
}

// end gives the file its size, which a hole at its end has not.
func (c *copier) end() error { return c.file.Truncate(c.written) }
