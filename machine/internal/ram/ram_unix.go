//go:build unix && !linux

package ram

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapFlags: pages of a file need no flag to be sparse.
const mapFlags = 0

// unnamed is a file whose name is gone already.
func unnamed() (*os.File, error) {
	file, err := os.CreateTemp("", "ram")
	if err != nil {
		return nil, err
	}
	return file, os.Remove(file.Name())
}

// nextData says that it cannot tell: not every file system here knows holes.
func (r *RAM) nextData(int64) (data, hole int64, err error) {
	return 0, 0, unix.ENOTSUP
}
