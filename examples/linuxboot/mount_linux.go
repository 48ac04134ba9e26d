package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mountAll mounts what an init reads. What is mounted already stays so.
func mountAll() error {
	var failed []error
	for _, m := range []struct{ target, kind string }{
		{"/proc", "proc"}, {"/sys", "sysfs"}, {"/dev", "devtmpfs"}, {"/sys/fs/pstore", "pstore"}, {"/sys/firmware/efi/efivars", "efivarfs"},
	} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			continue // a machine without EFI has no efivars
		}
		err := unix.Mount(m.kind, m.target, m.kind, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
		if err != nil && !errors.Is(err, unix.EBUSY) {
			failed = append(failed, fmt.Errorf("%s: %w", m.target, err))
		}
	}
	return errors.Join(failed...)
}
