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
	for _, m := range []struct {
		target, kind string
		flags        uintptr
	}{
		{"/proc", "proc", unix.MS_NODEV | unix.MS_NOEXEC},
		{"/sys", "sysfs", unix.MS_NODEV | unix.MS_NOEXEC},
		{"/dev", "devtmpfs", unix.MS_NOEXEC},
		{"/sys/fs/pstore", "pstore", unix.MS_NODEV | unix.MS_NOEXEC},
		{"/sys/firmware/efi/efivars", "efivarfs", unix.MS_NODEV | unix.MS_NOEXEC},
	} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			continue // a machine without EFI has no efivars
		}
		err := unix.Mount(m.kind, m.target, m.kind, unix.MS_NOSUID|m.flags, "")
		if err != nil && !errors.Is(err, unix.EBUSY) {
			failed = append(failed, fmt.Errorf("%s: %w", m.target, err))
		}
	}
	return errors.Join(failed...)
}

// leave ends the system: an init that returned would be a panic of Linux's. It comes
// back only where it may not.
func leave(failed bool) {
	unix.Sync()
	how := unix.LINUX_REBOOT_CMD_POWER_OFF
	if failed {
		how = unix.LINUX_REBOOT_CMD_RESTART
	}
	_ = unix.Reboot(how) // main exits then
}
