package native

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// program is the package of the program.
const program = "github.com/seed64aab995/rescuekernel/emulator/arm64/internal/native/child"

// ErrUnavailable is why there is no arm64 CPU to compare with.
var ErrUnavailable = errors.New("no arm64 CPU to compare with")

// Process is a running program.
type Process struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     io.ReadCloser
	errors  bytes.Buffer
	buffer  []byte
}

// Launcher is what a program for linux/arm64 is started by: nothing where the computer is an
// arm64, else qemu-aarch64 with a CPU model. The error is ErrUnavailable where there is
// neither.
func Launcher(cpu string) ([]string, error) {
	if runtime.GOOS == "linux" && runtime.GOARCH == "arm64" {
		return nil, nil
	}
	for _, name := range []string{"qemu-aarch64-static", "qemu-aarch64"} {
		if path, err := exec.LookPath(name); err == nil {
			return []string{path, "-cpu", cpu}, nil
		}
	}
	return nil, fmt.Errorf("%w: qemu-aarch64 is not in PATH", ErrUnavailable)
}

// Build builds a program for linux/arm64, from a package, into a directory.
func Build(ctx context.Context, pkg, directory string) (string, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return "", fmt.Errorf("%w: the go command is not in PATH", ErrUnavailable)
	}
	path := filepath.Join(directory, "arm64-program")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, pkg)
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	return path, nil
}

// Start builds the program in a directory and runs it. cpu is a CPU model of
// QEMU's. The error is ErrUnavailable where nothing can run it.
func Start(ctx context.Context, directory, cpu string) (*Process, error) {
	arguments, err := Launcher(cpu)
	if err != nil {
		return nil, err
	}
	path, err := Build(ctx, program, directory)
	if err != nil {
		return nil, err
	}
	arguments = append(arguments, path)
	p := &Process{command: exec.CommandContext(ctx, arguments[0], arguments[1:]...)}
	p.command.Stderr = &p.errors
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %v: %w", arguments, err)
	}
	if p.out, err = p.command.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("start %v: %w", arguments, err)
	}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %v: %w", arguments, err)
	}
	return p, nil
}

// Run executes up to Slots cases, each in the slot of its index, and fills in as
// many results.
func (p *Process) Run(cases []Case, results []Result) error {
	if len(cases) > Slots || len(results) < len(cases) {
		return fmt.Errorf("%d cases and %d results: at most %d", len(cases), len(results), Slots)
	}
	b := binary.LittleEndian.AppendUint64(p.buffer[:0], uint64(len(cases)))
	for i := range cases {
		b = cases[i].append(b)
	}
	p.buffer = b
	if _, err := p.in.Write(b); err != nil {
		return fmt.Errorf("write %d cases: %w: %s", len(cases), err, p.errors.Bytes())
	}
	b = b[:len(cases)*RecordSize]
	if _, err := io.ReadFull(p.out, b); err != nil {
		return fmt.Errorf("read %d results: %w: %s", len(cases), err, p.errors.Bytes())
	}
	for i := range cases {
		results[i].read(b[i*RecordSize:])
	}
	return nil
}

// Close ends the program.
func (p *Process) Close() error {
	if err := p.in.Close(); err != nil {
		return fmt.Errorf("end the program: %w", err)
	}
	if err := p.command.Wait(); err != nil {
		return fmt.Errorf("end the program: %w: %s", err, p.errors.Bytes())
	}
	return nil
}
