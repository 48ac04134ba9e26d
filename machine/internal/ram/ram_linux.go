package ram

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapFlags: memory that is never touched needs no swap behind it.
const mapFlags = unix.MAP_NORESERVE

// unnamed is a file in memory that no directory knows.
func unnamed() (*os.File, error) {
	fd, err := unix.MemfdCreate("ram", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "ram"), nil
}

// nextData is the first data at or after an offset in the file, and its end.
func (r *RAM) nextData(offset int64) (data, hole int64, err error) {
	if data, err = unix.Seek(int(r.file.Fd()), offset, unix.SEEK_DATA); err != nil {
		return 0, 0, err
	}
	hole, err = unix.Seek(int(r.file.Fd()), data, unix.SEEK_HOLE)
	return data, hole, err
}
