package imagebuild

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// GoError says that the go command refused.
type GoError struct {
	Arguments []string
	Output    string // what it said
	Err       error  // how it ended
}

func (e *GoError) Error() string {
	return fmt.Sprintf("go %s: %v\n%s", e.Arguments[0], e.Err, strings.TrimSpace(e.Output))
}

// Unwrap returns how the go command ended.
func (e *GoError) Unwrap() error { return e.Err }

// linkerFlags are those of every image. Symbols and DWARF are wanted here:
// Strip makes the image. Functions at multiples of 16 bytes, not of amd64's 32,
// save 1 % of an image; arm64 has 16 anyway.
var linkerFlags = fmt.Sprintf("-E %s.entry -T %#x -funcalign=16", KernelPath, handoff.LinkText)

// imageTag is set for every image. Packages leave out with it what only a program
// that handles other machines needs: see minidump.Architecture.CanDump.
const imageTag = "rescue_image"

func (o *Options) tags() string {
	return "-tags=" + strings.Join(append([]string{imageTag}, o.Tags...), ",")
}

// runBuild builds the unstripped image.
func (o *Options) runBuild(ctx context.Context, output string) error {
	output, err := filepath.Abs(output)
	if err != nil {
		return err
	}
	packagePath, version, versioned := strings.Cut(o.Package, "@")
	if !versioned {
		return o.link(ctx, o.Directory, packagePath, output)
	}
	if version == "" || path.Clean(packagePath) != packagePath || strings.HasPrefix(packagePath, ".") {
		return fmt.Errorf("%q: want PATH@VERSION", o.Package)
	}
	module, err := os.MkdirTemp("", "rescue-module-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(module) }()
	if err := os.WriteFile(filepath.Join(module, "go.mod"), []byte("module image\n"), 0o644); err != nil {
		return err
	}
	if _, err := o.goCommand(ctx, module, "get", o.Package); err != nil {
		return err
	}
	return o.link(ctx, module, packagePath, output)
}

func (o *Options) link(ctx context.Context, directory, packagePath, output string) error {
	arguments := []string{"build", "-o", output, "-trimpath", "-buildvcs=false", "-buildmode=exe", "-ldflags=" + linkerFlags}
	if _, err := o.goCommand(ctx, directory, append(arguments, o.tags(), "--", packagePath)...); err != nil {
		return o.explain(ctx, directory, packagePath, err)
	}
	return nil
}

// explain says what a refusal of the go command means here, where it is one of
// the two that everybody meets.
func (o *Options) explain(ctx context.Context, directory, packagePath string, err error) error {
	var refused *GoError
	if !errors.As(err, &refused) {
		return err
	}
	list := func(arguments ...string) ([]string, error) {
		out, err := o.goCommand(ctx, directory, append(append([]string{"list", o.tags()}, arguments...), "--", packagePath)...)
		return strings.Fields(out), err
	}
	switch {
	case strings.Contains(refused.Output, "requires exactly one main package"):
		names, listErr := list("-f", "{{.Name}}")
		if listErr != nil || len(names) == 0 {
			return err
		}
		return fmt.Errorf("%w: want one package main, found %s", ErrProgram, strings.Join(names, ", "))
	case strings.Contains(refused.Output, "missing entry symbol"):
		imports, listErr := list("-deps", "-f", "{{.ImportPath}}")
		if listErr != nil || slices.Contains(imports, KernelPath) {
			return err
		}
		return fmt.Errorf(`%w: it does not import it; add: import _ "%s"`, ErrProgram, KernelPath)
	}
	return err
}

// goCommand runs the go command for the image's platform and returns its
// standard output.
func (o *Options) goCommand(ctx context.Context, directory string, arguments ...string) (string, error) {
	name := o.Go
	if name == "" {
		name = "go"
	}
	if _, err := exec.LookPath(name); err != nil {
		return "", fmt.Errorf("%w: images are built by the Go toolchain (https://go.dev/dl): %w", ErrNoGo, err)
	}
	command := exec.CommandContext(ctx, name, arguments...)
	command.Dir = directory
	command.Cancel = func() error { return interrupt(command.Process) }
	command.WaitDelay = 5 * time.Second
	command.Env = append(command.Environ(), "GOOS=linux", "GOARCH="+o.architecture().String(), "CGO_ENABLED=0")
	if directory != o.Directory { // a module of our own
		command.Env = append(command.Env, "GOWORK=off", "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -mod=mod"))
	}
	var out, both bytes.Buffer
	command.Stdout, command.Stderr = &out, &both
	err := command.Run()
	switch {
	case err == nil:
		return out.String(), nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("go %s: %w", arguments[0], context.Cause(ctx))
	}
	return "", &GoError{Arguments: arguments, Output: both.String() + out.String(), Err: err}
}

// interrupt lets the go command end what it started, where a process can be
// interrupted.
func interrupt(process *os.Process) error {
	if err := process.Signal(os.Interrupt); err == nil || errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return process.Kill()
}

func (o *Options) architecture() handoff.Architecture {
	if o.Architecture == 0 {
		return handoff.AMD64
	}
	return o.Architecture
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// Name is what an image of a package is called unless Output says it: the last
// element of its path, as the go command does it.
func Name(packagePath string) string {
	packagePath, _, _ = strings.Cut(packagePath, "@")
	if strings.HasPrefix(packagePath, ".") || filepath.IsAbs(packagePath) {
		if absolute, err := filepath.Abs(packagePath); err == nil {
			packagePath = absolute
		}
	}
	packagePath = strings.TrimSuffix(filepath.ToSlash(packagePath), ".go")
	name := path.Base(packagePath)
	if parent := path.Base(path.Dir(packagePath)); majorVersion.MatchString(name) && parent != "." && parent != "/" {
		return parent
	}
	return name
}
