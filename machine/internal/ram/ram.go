//go:build unix

package ram

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// RAM is memory in a file. It implements physmem.Memory and physmem.Viewer.
type RAM struct {
	*physmem.Banks
	ranges   physmem.Ranges
	file     *os.File
	mappings [][]byte
}

// New makes memory of zeros in ranges, in an unnamed file.
func New(ranges physmem.Ranges) (*RAM, error) {
	file, err := unnamed()
	if err != nil {
		return nil, fmt.Errorf("make file for RAM: %w", err)
	}
	r := &RAM{ranges: ranges, file: file}
	if err := r.mapFile(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *RAM) mapFile() error {
	if err := r.file.Truncate(int64(r.ranges.Size())); err != nil {
		return fmt.Errorf("size RAM file: %w", err)
	}
	var banks []*physmem.Bytes
	offset := int64(0)
	for _, piece := range r.ranges {
		m, err := unix.Mmap(int(r.file.Fd()), offset, int(piece.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|mapFlags)
		if err != nil {
			return fmt.Errorf("map RAM %v: %w", piece, err)
		}
		r.mappings = append(r.mappings, m)
		banks = append(banks, physmem.NewBytes(piece.Start, m))
		offset += int64(piece.Size())
	}
	var err error
	r.Banks, err = physmem.NewBanks(banks...)
	return err
}

// Mapping is the memory of range i as this process has it mapped. Whoever
// hands its address to a kernel keeps r alive and open as long.
func (r *RAM) Mapping(i int) []byte { return r.mappings[i] }

// Populated is where pages were touched. All other memory is zero. Where the
// system cannot tell, it is all of the memory.
func (r *RAM) Populated() physmem.Ranges {
	var found []physmem.Range
	base := int64(0)
	for _, piece := range r.ranges {
		end := base + int64(piece.Size())
		for at := base; at < end; {
			data, hole, err := r.nextData(at)
			if errors.Is(err, unix.ENXIO) { // no data up to the end of the file
				break
			}
			if err != nil {
				return r.ranges
			}
			if data >= end {
				break
			}
			hole = min(hole, end)
			found = append(found, physmem.Range{
				Start: piece.Start + physmem.Address(data-base),
				End:   piece.Start + physmem.Address(hole-base),
			})
			at = hole
		}
		base = end
	}
	runtime.KeepAlive(r)
	return physmem.NewRanges(found...).AlignOutward(4096).Intersect(r.ranges)
}

// Close unmaps the memory and frees it.
func (r *RAM) Close() error {
	var errs []error
	for _, m := range r.mappings {
		errs = append(errs, unix.Munmap(m))
	}
	r.mappings = nil
	r.Banks, _ = physmem.NewBanks() // what reads on fails, and does not fault
	if r.file != nil {
		errs = append(errs, r.file.Close())
		r.file = nil
	}
	return errors.Join(errs...)
}

// File is the file that holds the memory, for another process to map.
func (r *RAM) File() *os.File { return r.file }
