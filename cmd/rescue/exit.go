package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/imagebuild"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// Exit codes. doc.go and the help topic exit-codes say the same.
const (
	exitDone        = 0
	exitOther       = 1
	exitUsage       = 2
	exitNotOurs     = 3
	exitDamaged     = 4
	exitBuild       = 5
	exitIO          = 6
	exitUnavailable = 7
	exitInterrupted = 8
	exitGuest       = 9
	exitTimeout     = 10
)

// usageError is the user's mistake.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (e usageError) Unwrap() error { return e.error }

// outputError is a failure to write a result.
type outputError struct{ error }

func (e *outputError) Unwrap() error { return e.error }

// errNotOurs says that a file is nothing that this program knows.
var errNotOurs = errors.New("neither an image nor memory with a reservation in it")

// verdict is an exit code of a command that has said all there is to say.
type verdict int

func (v verdict) Error() string { return fmt.Sprintf("exit code %d", int(v)) }

func isSilent(err error) bool {
	var v verdict
	return errors.As(err, &v)
}

// exitCode chooses the code for an error.
func exitCode(ctx context.Context, err error) int {
	var v verdict
	var usage usageError
	var output *outputError
	var refused *imagebuild.GoError
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
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
	case errors.As(err, &refused), is(imagebuild.ErrNoGo, imagebuild.ErrProgram, imagebuild.ErrDiffer):
		return exitBuild
	case is(errNotOurs, reserve.ErrImage, bootimage.ErrImage, machine.ErrBadImage):
		return exitNotOurs
	case is(machine.ErrUnavailable, machine.ErrUnsupported):
		return exitUnavailable
	case isIO(err):
		return exitIO
	}
	return exitOther
}

// isIO reports whether err comes from the operating system.
func isIO(err error) bool {
	var path *fs.PathError
	var number syscall.Errno
	return errors.As(err, &path) || errors.As(err, &number)
}

// newExitCodes is a help topic: cobra shows commands that cannot run under
// "additional help topics".
func newExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What rescue's exit codes mean",
		Long: `Exit codes:

  0  done; boot: the guest turned the machine off, or halted it
  1  any error not listed here
  2  usage: unknown command or flag, malformed argument
  3  not an image and not memory with a reservation in it
  4  damaged: a seal of the reservation is broken
  5  the program could not be built
  6  I/O: a file could not be opened, read or written
  7  this computer has no such machine
  8  interrupted
  9  boot: the guest reset the machine, crashed it, or ended with another code than 0
  10 boot: the timeout passed

A program that package kernel runs turns the machine off when its main returns,
and resets it when it panics without a rescue program.`,
	}
}
