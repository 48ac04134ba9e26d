package savecore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
)

// Options says where and how to save. The zero value saves into the current
// directory and keeps everything.
type Options struct {
	// Directory is the crash directory. It must exist.
	Directory string

	// Device is the name that info.N gives for where the dump came from.
	Device string

	// Clear marks the dump on the device as saved, once it is saved whole.
	Clear bool

	// MinimumFree is how many bytes must stay free on the directory's file
	// system.
	MinimumFree uint64

	// Maximum is how many dumps are kept: the numbers wrap to 0 after it and
	// the dump that had the number goes. 0 is no limit.
	Maximum int

	// Find says how to look for the dump.
	Find kerneldump.FindOptions

	// Progress, if set, is called now and then with the bytes copied.
	Progress func(done, total int64)
}

// Result is what Save did.
type Result struct {
	Dump   *kerneldump.Dump // what was found on the device
	Number int              // its number in the crash directory
	Path   string           // the file with the dump
	Size   int64            // bytes of dump that there are to save
	Kept   int64            // bytes of dump that were written now

	// Earlier says that the dump had been saved before, as Number, and that
	// nothing was written now.
	Earlier bool

	// Cleared says that the dump on the device was marked as saved.
	Cleared bool
}

// Save saves the dump on device, which has size bytes. The device is written
// only where Options.Clear is set; it must be a kerneldump.Device then.
//
// The errors are those of kerneldump.Find, ErrCleared, ErrLittleSpace,
// container.ErrNoData and *CutError, besides those of the file system.
func Save(ctx context.Context, device io.ReaderAt, size int64, o Options) (Result, error) {
	dump, err := kerneldump.Find(device, size, o.Find)
	if err != nil {
		return Result{}, fmt.Errorf("find a dump on %s: %w", o.Device, err)
	}
	result := Result{Dump: dump}
	if dump.Header.Kind == kerneldump.KindCleared {
		return result, fmt.Errorf("%s: %w", o.Device, ErrCleared)
	}
	data, err := content(device, dump)
	if err != nil {
		return result, fmt.Errorf("%s: %w", o.Device, err)
	}
	result.Size = data.Size()
	directory := directory{path: o.Directory}
	digest, err := headerDigest(device, dump)
	if err != nil {
		return result, err
	}
	saved, earlier, err := directory.find(digest)
	if err != nil {
		return result, err
	}
	if earlier {
		result.Earlier, result.Number = true, saved
		result.Path = directory.file(fileName(&dump.Header), saved)
	} else if err := copyDump(ctx, device, data, directory, digest, o, &result); err != nil {
		return result, err
	}
	if o.Clear && result.isWhole() {
		if err := clearDump(device, dump); err != nil {
			return result, err
		}
		result.Cleared = true
	}
	return result, nil
}

// isWhole reports whether the crash directory has all that the device has.
func (r *Result) isWhole() bool { return r.Earlier || r.Kept == r.Size }

// clearDump marks the dump as saved.
func clearDump(device io.ReaderAt, dump *kerneldump.Dump) error {
	writable, ok := device.(kerneldump.Device)
	if !ok {
		return errors.New("clear the dump: the device was not opened for writing")
	}
	return kerneldump.Clear(writable, dump)
}

// copyDump gives the dump a number and writes its files.
func copyDump(ctx context.Context, device io.ReaderAt, data *io.SectionReader, d directory, digest string, o Options, result *Result) error {
	dump := result.Dump
	if err := d.checkSpace(uint64(data.Size()), o.MinimumFree); err != nil {
		return err
	}
	number, err := d.next(o.Maximum)
	if err != nil {
		return err
	}
	result.Number = number
	info := information{header: &dump.Header, device: o.Device, number: number, digest: digest, problem: dump.Problem}
	if err := d.writeInformation(&info); err != nil {
		return err
	}
	if dump.Layout.KeySize > 0 {
		key, err := dump.KeyBlock(device)
		if err != nil {
			return err
		}
		if err := os.WriteFile(d.file("key", number), key, 0o600); err != nil {
			return fmt.Errorf("save the key block: %w", err)
		}
	}
	result.Path = d.file(fileName(&dump.Header), number)
	err = writeDump(ctx, data, result, dump.Header.Compression == kerneldump.CompressionNone && dump.Layout.KeySize == 0, o.Progress)
	if err != nil {
		// The digest goes, so that a later try saves the dump whole.
		info.digest, info.problem = "", err
		return errors.Join(err, d.writeInformation(&info))
	}
	return d.link(fileName(&dump.Header), number, dump.Layout.KeySize > 0)
}

// writeDump copies the dump into result.Path.
func writeDump(ctx context.Context, data *io.SectionReader, result *Result, sparse bool, progress func(done, total int64)) (err error) {
	file, err := os.OpenFile(result.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("save the dump: %w", err)
	}
	c := copier{file: file, sparse: sparse}
	err = c.copy(ctx, data, progress)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	result.Kept = c.written
	if err != nil {
		return &CutError{Path: filepath.Clean(result.Path), Kept: c.written, Size: data.Size(), Err: err}
	}
	return nil
}
