package vmtests

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/machine"
)

var full = flag.Bool("full", false, "run every machine, every kind of panic, and all repetitions")

// scratch is removed when all tests have run.
var scratch string

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if scratch, err = os.MkdirTemp("", "vmtests"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// program is a Go program that is built once for each architecture.
type program struct {
	folder string
	build  map[machine.Architecture]func() ([]byte, error)
}

func newProgram(folder string) *program {
	p := &program{folder: folder, build: map[machine.Architecture]func() ([]byte, error){}}
	for _, architecture := range []machine.Architecture{machine.AMD64, machine.ARM64} {
		p.build[architecture] = sync.OnceValues(func() ([]byte, error) { return p.compile(architecture) })
	}
	return p
}

var (
	hostProgram    = newProgram("../examples/host")
	witnessProgram = newProgram("./testdata/witness")
)

// compile links a program for package kernel.
func (p *program) compile(architecture machine.Architecture) ([]byte, error) {
	output := filepath.Join(scratch, filepath.Base(p.folder)+"."+string(architecture))
	c := exec.Command("go", "build", "-o", output, "-ldflags",
		"-E github.com/seed64aab995/rescuekernel/kernel.entry -T 0x500000411000", p.folder)
	c.Env = append(c.Environ(), "GOOS=linux", "GOARCH="+string(architecture), "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(output)
}

// image is the program's ELF file for amd64.
func (p *program) image(t testing.TB) []byte {
	t.Helper()
	return p.imageFor(t, machine.AMD64)
}

// imageFor is the program's ELF file for an architecture.
func (p *program) imageFor(t testing.TB, architecture machine.Architecture) []byte {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("images are built with the go command, which is not in PATH")
	}
	image, err := p.build[architecture]()
	require.NoError(t, err, p.folder)
	return image
}

// hostImage is the host as a file that boots.
func hostImage(t testing.TB, architecture machine.Architecture) []byte {
	t.Helper()
	wrapped, err := bootimage.Wrap(bytes.NewReader(hostProgram.imageFor(t, architecture)), bootimage.Options{})
	require.NoError(t, err)
	return wrapped
}
