//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package crashlog

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock takes a file's lock, which the operating system gives back when the last
// descriptor of this opening is closed, so when the process is gone: the runtime's
// crash output is a duplicate. free is false where another has it.
func lock(f *os.File) (free bool, err error) {
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func unlock(f *os.File) { unix.Flock(int(f.Fd()), unix.LOCK_UN) }
