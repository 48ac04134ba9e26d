package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/container/ekcd"
	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/seekable"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/postmortem"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/reader"
	"github.com/seed64aab995/rescuekernel/savecore"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// Exit codes. doc.go and the help topic exit-codes say the same.
const (
	exitDone        = 0
	exitOther       = 1
	exitUsage       = 2
	exitNotDump     = 3
	exitDamaged     = 4
	exitIncomplete  = 5
	exitIO          = 6
	exitNotThere    = 7
	exitInterrupted = 8
)

// usageError is the user's mistake.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (e usageError) Unwrap() error { return e.error }

// outputError is a failure to write a result.
type outputError struct{ error }

func (e *outputError) Unwrap() error { return e.error }

// verdict is an exit code of a command that has said all there is to say.
type verdict int

func (v verdict) Error() string { return fmt.Sprintf("exit code %d", int(v)) }

func isSilent(err error) bool {
	var v verdict
	return errors.As(err, &v)
}

// exitCode chooses the code for an error. What the user did comes first, what
// a file is comes before what is wrong with it.
func exitCode(ctx context.Context, err error) int {
	var v verdict
	var usage usageError
	var output *outputError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &v):
		return int(v)
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &output):
		return exitIO
	}
	for _, class := range errorClasses {
		for _, target := range class.errors {
			if errors.Is(err, target) {
				return class.code
			}
		}
	}
	if isIO(err) {
		return exitIO
	}
	return exitOther
}

var errorClasses = []struct {
	code   int
	errors []error
}{
	{exitUsage, []error{symbols.ErrSyntax, symbols.ErrUnknownSymbol, symbols.ErrNoSymbols, postmortem.ErrNotFreeBSD, symbols.ErrNotELF,
		container.ErrKeyNeeded, ekcd.ErrKeyBlock, ekcd.ErrWrongKey, ekcd.ErrPrivateKey, target.ErrInUse, target.ErrTooSmall}},
	{exitNotDump, []error{minidump.ErrNotDump, minidump.ErrUnsupported, postmortem.ErrUnsupported, kerneldump.ErrNoDump, container.ErrNotDump, savecore.ErrCleared, reader.ErrUnknown}},
	{exitIncomplete, []error{minidump.ErrTruncated, minidump.ErrBeyondEnd, container.ErrNoData, seekable.ErrCut, seekable.ErrMissing}},
	{exitDamaged, []error{
		minidump.ErrDamaged, minidump.ErrTooLarge, postmortem.ErrDamaged, container.ErrTooDeep,
		seekable.ErrDamaged, seekable.ErrRecord, seekable.ErrSeekTable, seekable.ErrFrameTooLarge,
		record.ErrDamaged, kerneldump.ErrParity, kerneldump.ErrHeaderBounds, kerneldump.ErrHeadersDiffer,
		amd64.ErrReservedBits, amd64.ErrOutsideMemory, amd64.ErrCycle,
		arm64.ErrReservedBits, arm64.ErrOutsideMemory, arm64.ErrCycle,
	}},
	{exitNotThere, []error{
		minidump.ErrNotInDumpAvail, minidump.ErrNotInBitmap, minidump.ErrRecordedHole, minidump.ErrNotKernelAddress,
		minidump.ErrNoPageTable, minidump.ErrNoMessageBuffer, minidump.ErrNoNotes, reader.ErrNone,
		amd64.ErrNotMapped, amd64.ErrNonCanonical, arm64.ErrNotMapped, arm64.ErrNonCanonical,
		postmortem.ErrNoCPUs, errNoSymbolThere,
	}},
}

// isIO reports whether err comes from the operating system.
func isIO(err error) bool {
	var path *fs.PathError
	var number syscall.Errno
	return errors.As(err, &path) || errors.As(err, &number) || errors.Is(err, container.ErrSpoolLimit) || errors.Is(err, savecore.ErrLittleSpace)
}

// newExitCodes is a help topic: cobra shows commands that cannot run under
// "additional help topics".
func newExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What dumper's exit codes mean",
		Long: `Exit codes:

  0  done
  1  any error not listed here
  2  usage: unknown command, flag or symbol, malformed address, useless --kernel
  3  not a dump, or a kind of dump that is not read
  4  damaged: the file breaks a rule of its format, or a checksum is wrong
  5  incomplete: the file ends before what was asked for; verify: sound but cut
  6  I/O: a file could not be opened, read or written, or a disk is full
  7  not there: the address is not mapped, its page was not dumped, or the dump
     has no such thing (messages, registers, records)
  8  interrupted

Info opens a dump that was cut or damaged without an error, and says so in its
output; verify turns what it finds into a code.`,
	}
}
