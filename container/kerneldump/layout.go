package kerneldump

import (
	"fmt"
	"math"
)

// ReservedSize is what FreeBSD leaves untouched at the start of a dump device
// (kern_shutdown.c: SIZEOF_METADATA, for a disk label or a swap header).
const ReservedSize = 64 << 10

// SectorSizes are the sector sizes that devices have.
var sectorSizes = [...]int{512, 4096}

// Layout is where the parts of a dump lie on a device, in bytes from its start.
type Layout struct {
	SectorSize int
	Leading    int64 // leading header
	Key        int64 // key block, KeySize bytes
	KeySize    int64
	Data       int64 // the dump
	Extent     int64 // bytes from Data to Trailing
	Trailing   int64 // trailing header: the last sector
}

// NewLayout places a dump on a device of size bytes. extent 0 takes all the
// room there is after reserved bytes, as FreeBSD does for a compressed dump.
// What does not fit is a *SpaceError with ErrTooBig.
func NewLayout(size int64, sectorSize int, reserved, keySize, extent int64) (Layout, error) {
	if !isSectorSize(sectorSize) {
		return Layout{}, fmt.Errorf("sector size %d: must be a power of two from 512 to 64 KiB", sectorSize)
	}
	sector := int64(sectorSize)
	if reserved < 0 || keySize < 0 || extent < 0 || keySize%sector != 0 || extent > math.MaxInt64-sector {
		return Layout{}, fmt.Errorf("layout of a kernel dump: reserved %d, key %d, extent %d: %w", reserved, keySize, extent, ErrHeaderBounds)
	}
	size -= size % sector
	extent = roundUp(extent, sector)
	room := size - roundUp(reserved, sector) - keySize - 2*sector
	if extent == 0 {
		extent = max(room, 0)
	}
	if extent > room || room <= 0 {
		return Layout{}, &SpaceError{Need: uint64(extent + 2*sector + keySize + reserved), Have: uint64(max(size, 0)), Err: ErrTooBig}
	}
	l := Layout{SectorSize: sectorSize, KeySize: keySize, Extent: extent}
	l.Trailing = size - sector
	l.Data = l.Trailing - extent
	l.Key = l.Data - keySize
	l.Leading = l.Key - sector
	return l, nil
}

// layoutOf is where header h says that its dump lies, on a device of size
// bytes whose last sector begins at size - sectorSize.
func layoutOf(h *Header, size int64, sectorSize int) (Layout, error) {
	sector := int64(sectorSize)
	size -= size % sector
	keySize := int64(h.KeySize)
	if h.Extent > uint64(size) || h.Length > h.Extent || keySize%sector != 0 {
		return Layout{}, fmt.Errorf("extent %d, length %d, key %d on %d bytes: %w", h.Extent, h.Length, h.KeySize, size, ErrHeaderBounds)
	}
	l := Layout{SectorSize: sectorSize, KeySize: keySize, Extent: roundUp(int64(h.Extent), sector)}
	l.Trailing = size - sector
	l.Data = l.Trailing - l.Extent
	l.Key = l.Data - keySize
	l.Leading = l.Key - sector
	if l.Leading < 0 {
		return Layout{}, fmt.Errorf("extent %d, key %d on %d bytes: %w", h.Extent, h.KeySize, size, ErrHeaderBounds)
	}
	return l, nil
}

func isSectorSize(n int) bool { return n >= 512 && n <= 64<<10 && n&(n-1) == 0 }

func roundUp(n, multiple int64) int64 { return (n + multiple - 1) / multiple * multiple }
