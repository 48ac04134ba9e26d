package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// sectorSize is the logical sector size of a block device (Linux
// include/uapi/linux/fs.h, BLKSSZGET); 512 for a file.
func sectorSize(file *os.File) int {
	connection, err := file.SyscallConn()
	if err != nil {
		return 512
	}
	size := 512
	_ = connection.Control(func(fd uintptr) {
		if n, err := unix.IoctlGetInt(int(fd), unix.BLKSSZGET); err == nil {
			size = n
		}
	})
	return size
}
