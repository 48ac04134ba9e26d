package imagebuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/reserve"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// KernelPath is the import path of the package that every image is linked
// with.
const KernelPath = "github.com/seed64aab995/rescuekernel/kernel"

// DebugSuffix is appended to an image's name for its unstripped twin.
const DebugSuffix = ".debug"

// Errors that a caller may want to tell apart. What the go command itself
// refuses is a *GoError.
var (
	// ErrNoGo says that there is no go command.
	ErrNoGo = errors.New("the go command was not found")

	// ErrProgram says that a package is not a program that imports package
	// kernel.
	ErrProgram = errors.New("not a program for package kernel")

	// ErrDiffer says that a stripped image is not what it was stripped of.
	ErrDiffer = errors.New("the stripped image differs from the unstripped one")
)

// Options say what to build. Package is required, and for Build so is Output.
type Options struct {
	// Package is what `go build` takes for one program: a directory (./host),
	// an import path, or an import path with @version.
	Package string

	// Output is where IMAGE goes; IMAGE.debug lies beside it. An existing
	// directory takes it under the package's name.
	Output string

	// Architecture of the image; 0 = handoff.AMD64.
	Architecture handoff.Architecture

	// Tags are build tags.
	Tags []string

	// Directory is where the go command runs, which decides about the module;
	// "" = the current one.
	Directory string

	// Go is the go command; "" = the go of PATH.
	Go string

	// Wrap, if set, makes of the image what is written to Output, such as a
	// boot image. IMAGE.debug stays what the linker made.
	Wrap func(image io.ReaderAt) ([]byte, error)
}

// Result is what was built.
type Result struct {
	Image, Debug         string // the files
	ImageSize, DebugSize int64
	GoBuildID            string // of both
	BuildID              []byte // GNU's, of both
	Took                 time.Duration
}

// Build builds an image. The files appear when they are complete; a build that
// fails leaves those of an earlier one as they were.
func Build(ctx context.Context, o Options) (*Result, error) {
	start := time.Now()
	r, err := o.build(ctx)
	if err != nil {
		return nil, fmt.Errorf("build image of %s: %w", o.Package, err)
	}
	r.Took = time.Since(start)
	return r, nil
}

func (o *Options) build(ctx context.Context) (*Result, error) {
	if o.Package == "" || o.Output == "" {
		return nil, errors.New("package and output must be given")
	}
	image := o.Output
	if info, err := os.Stat(image); err == nil && info.IsDir() {
		image = filepath.Join(image, Name(o.Package))
	}
	// In the same directory, so that a rename makes the files appear at once.
	temporary, err := os.MkdirTemp(filepath.Dir(image), ".rescue-build-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(temporary) }()

	r := &Result{Image: image, Debug: image + DebugSuffix}
	newDebug, newImage := filepath.Join(temporary, "debug"), filepath.Join(temporary, "image")
	if err := keepForGo(r.Debug, newDebug); err != nil {
		return nil, err
	}
	if err := o.runBuild(ctx, newDebug); err != nil {
		return nil, err
	}
	if err := o.finish(r, newDebug, newImage); err != nil {
		return nil, err
	}
	if err := os.Rename(newDebug, r.Debug); err != nil {
		return nil, err
	}
	return r, os.Rename(newImage, r.Image)
}

// keepForGo copies the unstripped image of the last build to where the next
// will be, because the go command does not link again what is up to date. The
// go command refuses to overwrite what is no program, so only an ELF file is
// copied.
func keepForGo(old, now string) error {
	data, err := os.ReadFile(old)
	if err != nil || len(data) < 4 || string(data[:4]) != "\x7fELF" {
		return nil // there is none: the go command will link
	}
	return os.WriteFile(now, data, 0o755)
}

// finish makes the image of what the linker made, and checks both.
func (o *Options) finish(r *Result, newDebug, newImage string) error {
	debug, err := os.Open(newDebug)
	if err != nil {
		return err
	}
	defer func() { _ = debug.Close() }()
	stripped, err := Strip(debug)
	if err != nil {
		return err
	}
	if err := r.check(debug, stripped); err != nil {
		return err
	}
	info, err := debug.Stat()
	if err != nil {
		return err
	}
	if o.Wrap != nil {
		if stripped, err = o.Wrap(newReader(stripped)); err != nil {
			return err
		}
	}
	r.ImageSize, r.DebugSize = int64(len(stripped)), info.Size()
	return os.WriteFile(newImage, stripped, 0o755)
}

// check checks that both files are images, the same one, and takes the build
// ids.
func (r *Result) check(debug io.ReaderAt, stripped []byte) error {
	if err := compare(debug, newReader(stripped)); err != nil {
		return err
	}
	table, err := symbols.Open(debug)
	if err != nil {
		return fmt.Errorf("symbols of the unstripped image: %w", err)
	}
	// The function table stays in a stripped image, so it has symbols too.
	other, err := symbols.Open(newReader(stripped))
	if err != nil {
		return fmt.Errorf("symbols of the image: %w", err)
	}
	r.GoBuildID, r.BuildID = table.GoBuildID(), table.BuildID()
	if r.GoBuildID != other.GoBuildID() || string(r.BuildID) != string(other.BuildID()) {
		return fmt.Errorf("%w: build ids %q %x and %q %x", ErrDiffer, other.GoBuildID(), other.BuildID(), r.GoBuildID, r.BuildID)
	}
	if r.GoBuildID == "" {
		return errors.New("the linker wrote no build id")
	}
	return nil
}

// compare checks that two files are images that load the same bytes to the
// same addresses. Only the ELF header's fields that say where the section
// headers are may differ.
func compare(debug, stripped io.ReaderAt) error {
	var layouts [2]handoff.Image
	var loaded [2][]byte
	for i, file := range []io.ReaderAt{debug, stripped} {
		image, err := reserve.OpenImage(file)
		if err != nil {
			return err
		}
		layouts[i] = image.Layout()
		if loaded[i], err = image.Bytes(); err != nil {
			return err
		}
		if string(loaded[i][:4]) == "\x7fELF" {
			clearSectionFields(loaded[i])
		}
	}
	if layouts[0] != layouts[1] {
		return fmt.Errorf("%w: layout %+v, want %+v", ErrDiffer, layouts[1], layouts[0])
	}
	for at := range loaded[0] {
		if at >= len(loaded[1]) || loaded[0][at] != loaded[1][at] {
			return fmt.Errorf("%w: the byte at %#x", ErrDiffer, layouts[0].LinkBase+uint64(at))
		}
	}
	return nil
}
