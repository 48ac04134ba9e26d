package qemu

import (
	"os"

	"golang.org/x/sys/unix"
)

// enlarge lets a pipe hold 1 MiB, all that a user may have by default, instead
// of 64 KiB. Where that is refused, the pipe stays as it is.
func enlarge(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
}
