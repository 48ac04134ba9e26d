//go:build linux || darwin || freebsd

package savecore

import "golang.org/x/sys/unix"

// freeSpace is how many bytes an ordinary user may still write below path.
func freeSpace(path string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, err
	}
	// FreeBSD's count is negative where root has used the reserve.
	return uint64(max(int64(s.Bavail), 0)) * uint64(s.Bsize), nil
}
