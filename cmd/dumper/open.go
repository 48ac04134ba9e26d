package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/postmortem"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// dump is an open dump, with the kernel's symbols if --kernel names them.
type dump struct {
	*minidump.Reader
	name      string
	file      io.ReaderAt
	size      int64 // of file
	container *container.File
	symbols   *symbols.Table // nil without --kernel

	close []func() error
}

// Close closes all files of the dump.
func (d *dump) Close() error {
	var errs []error
	for i := len(d.close) - 1; i >= 0; i-- {
		errs = append(errs, d.close[i]())
	}
	return errors.Join(errs...)
}

// Complete reports whether neither the dump nor what it is wrapped in is known
// to lack anything.
func (d *dump) Complete() bool { return d.Reader.Complete() && d.container.Complete() }

// Problems are what is wrong with what the dump is wrapped in, and with it.
func (d *dump) Problems() []error { return append(d.containerProblems(), d.Reader.Problems()...) }

func (d *dump) containerProblems() []error { return append([]error(nil), d.container.Problems()...) }

// kernel is the dump as package postmortem wants it.
func (d *dump) kernel() *postmortem.Kernel {
	return &postmortem.Kernel{Memory: d.Reader, Architecture: d.Header().Architecture, Symbols: d.symbols}
}

// open opens the dump called name, and the kernel's symbols before it: a full
// dump needs them.
func (p *program) open(name string) (*dump, error) { return p.openAll(name, false) }

// openLazily is open for who needs only the start of a dump: one that has to
// be unpacked as a whole is unpacked as far as it is read.
func (p *program) openLazily(name string) (*dump, error) { return p.openAll(name, true) }

func (p *program) openAll(name string, lazy bool) (*dump, error) {
	d, err := p.openContainer(name, lazy)
	if err != nil {
		return nil, err
	}
	if err := p.openReader(d); err != nil {
		_ = d.Close() // all is open for reading only
		return nil, err
	}
	return d, nil
}

// openContainer opens all but the dump itself.
func (p *program) openContainer(name string, lazy bool) (*dump, error) {
	d := &dump{name: name}
	err := p.openKernel(d)
	if err == nil {
		err = p.openFile(d)
	}
	if err == nil {
		err = p.unwrap(d, lazy)
	}
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// unwrap opens what the dump is wrapped in.
func (p *program) unwrap(d *dump, lazy bool) error {
	progress := p.progress("unpack")
	defer progress.end()
	options, err := p.keys(d.name)
	if err != nil {
		return err
	}
	options = append(options, container.WithContext(p.ctx), container.WithProgress(progress.update),
		container.WithSpool(container.SpoolOptions{Limit: p.spoolLimit}))
	if lazy {
		d.container, err = container.Open(d.file, d.size, append(options, container.WithLazySpool())...)
	}
	// What is found from a file's end, a dump on a device, is not found lazily.
	if !lazy || errors.Is(err, container.ErrNotDump) {
		d.container, err = container.Open(d.file, d.size, options...)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	d.close = append(d.close, d.container.Close)
	return nil
}

// openReader opens the dump itself.
func (p *program) openReader(d *dump) (err error) {
	var options []minidump.Option
	if d.symbols != nil {
		options = append(options, minidump.WithSymbols(d.symbols))
	}
	inside := io.ReaderAt(d.container)
	if len(d.container.Layers()) == 1 {
		inside = d.file // as it is: nothing between its pages and who reads them
		if f, ok := d.file.(*os.File); ok {
			options = append(options, minidump.WithDataFinder(minidump.FileData(f)))
		}
	}
	d.Reader, err = minidump.Open(inside, d.container.Size(), options...)
	if err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	p.compareKernel(d)
	return nil
}

// openKernel opens what --kernel names. A kernel without symbols still has a
// build id and code.
func (p *program) openKernel(d *dump) error {
	if p.kernelPath == "" {
		return nil
	}
	file, err := os.Open(p.kernelPath)
	if err != nil {
		return fmt.Errorf("kernel: %w", err)
	}
	d.close = append(d.close, file.Close)
	d.symbols, err = symbols.Open(file)
	if d.symbols == nil {
		return fmt.Errorf("kernel %s: %w", p.kernelPath, err)
	}
	if err != nil {
		p.warn("kernel %s: %v", p.kernelPath, err)
	}
	return nil
}

// compareKernel warns of a kernel that is not the dump's.
func (p *program) compareKernel(d *dump) {
	if d.symbols == nil {
		return
	}
	if dumped, kernel := d.Header().Architecture.String(), d.symbols.Architecture(); dumped != kernel {
		p.warn("warning: the dump is of %s, kernel %s is for %s", dumped, p.kernelPath, kernel)
	}
	notes, _ := d.Notes()
	if notes == nil || len(notes.BuildID) == 0 {
		return
	}
	if kernel, differ := differentBuild(notes.BuildID, d.symbols); differ {
		p.warn("warning: the dump is of build %s, kernel %s is build %s", printable(notes.BuildID), p.kernelPath, kernel)
	}
}

// differentBuild compares a dump's build id with a kernel's: the string of
// the Go linker, or the bytes of a GNU note. A kernel without any cannot be told.
func differentBuild(dumped []byte, table *symbols.Table) (kernel string, differ bool) {
	goID, gnuID := table.GoBuildID(), table.BuildID()
	if goID == "" && gnuID == nil {
		return "", false
	}
	if string(dumped) == goID || string(dumped) == string(gnuID) || string(dumped) == hex.EncodeToString(gnuID) {
		return "", false
	}
	if goID != "" {
		return goID, true
	}
	return hex.EncodeToString(gnuID), true
}

// openFile opens a file, or standard input as a file, and measures it.
func (p *program) openFile(d *dump) error {
	if d.name == "-" {
		d.name = "standard input"
		return p.openStandardInput(d)
	}
	extent, err := parseExtent(d.name)
	if err != nil {
		return err
	}
	file, err := os.Open(extent.path)
	if err != nil {
		return err
	}
	d.close = append(d.close, file.Close)
	d.file = file
	if d.size, err = fileSize(file); err != nil || extent.path == d.name {
		return err
	}
	section, err := extent.section(file, d.size)
	if err != nil {
		return err
	}
	d.file, d.size = section, section.Size()
	return nil
}

// fileSize is the size of a regular file or a device.
func fileSize(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if info.IsDir() {
		return 0, fmt.Errorf("%s is a directory: %w", file.Name(), minidump.ErrNotDump)
	}
	if info.Mode().IsRegular() {
		return info.Size(), nil
	}
	return deviceSize(file)
}

// deviceSize measures a device: some tell where their end is, of others
// (FreeBSD's and Darwin's character devices) it is found by reading.
func deviceSize(file *os.File) (int64, error) {
	if size, err := file.Seek(0, io.SeekEnd); err == nil && size > 0 {
		return size, nil
	}
	size := probeSize(file)
	if size == 0 {
		return 0, fmt.Errorf("%s is empty, or cannot tell its size: %w", file.Name(), minidump.ErrNotDump)
	}
	return size, nil
}

// probeSize finds in some fifty reads where r ends, in whole sectors.
func probeSize(r io.ReaderAt) int64 {
	const sector = 4096
	var buffer [sector]byte
	low, high := int64(0), int64(1)<<50 // sectors that are there, and that are not
	for low < high {
		middle := low + (high-low)/2
		if n, _ := r.ReadAt(buffer[:], middle*sector); n == sector {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low * sector
}
