package rescuetest

import (
	"bytes"
	"io"
	"sync"
)

// disk is a disk in memory. The emulated machine and the test may both have it.
type disk struct {
	mu      sync.Mutex
	content []byte
}

// Size is that of the disk.
func (d *disk) Size() int64 { return int64(len(d.content)) }

func (d *disk) ReadAt(p []byte, at int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.NewReader(d.content).ReadAt(p, at)
}

func (d *disk) WriteAt(p []byte, at int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at < 0 || at > int64(len(d.content)) {
		return 0, io.ErrShortWrite
	}
	n := copy(d.content[at:], p)
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

func sectionOf(p []byte) io.ReaderAt { return bytes.NewReader(p) }
