package crashlog

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// The byte that is locked lies beyond every text: on Windows a lock keeps others
// from what it covers.
const lockedAt = 1 << 30

// lock takes a file's lock, which the operating system gives back when the process
// is gone. free is false where another has it.
func lock(f *os.File) (free bool, err error) {
	at := &windows.Overlapped{OffsetHigh: lockedAt}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

func unlock(f *os.File) {
	windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &windows.Overlapped{OffsetHigh: lockedAt})
}
