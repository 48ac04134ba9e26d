package savecore

import (
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/seekable"
)

// content is what to save of a dump. Of one that was cut before its length was
// known that would be the whole extent, most of which is what lay there
// before. Where it is seekable zstd, its frames tell where it ends; of other
// dumps nothing does.
//
// The error is container.ErrNoData where the frames that are there are an
// older dump's, or damaged all.
func content(device io.ReaderAt, dump *kerneldump.Dump) (*io.SectionReader, error) {
	if !errors.Is(dump.Problem, kerneldump.ErrNoTrailingHeader) || dump.Header.Compression != kerneldump.CompressionZstd ||
		dump.Layout.KeySize > 0 {
		return dump.Data(device), nil
	}
	// The extent bounds the frames: a length in the leading header is only
	// what the last checkpoint knew.
	data := io.NewSectionReader(device, dump.Layout.Data, dump.Layout.Extent)
	identity := dump.Header.Identity()
	r, err := seekable.NewReader(data, data.Size(), seekable.ReaderOptions{Stream: &identity})
	if err == nil && r.Frames() > 0 {
		return io.NewSectionReader(device, dump.Layout.Data, r.FileEnd()), nil
	}
	if other, otherErr := seekable.NewReader(data, data.Size(), seekable.ReaderOptions{}); err == nil || otherErr == nil && other.HasRecords() {
		return nil, fmt.Errorf("kernel dump of %s: %w", dump.Header.HostName, container.ErrNoData)
	}
	if !errors.Is(err, seekable.ErrNotSeekable) {
		return nil, err
	}
	return dump.Data(device), nil // one frame, as FreeBSD writes it
}
