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

// program is a Go program that is built once.
type program struct {
	folder string
	build  func() ([]byte, error)
}

func newProgram(folder string) *program {
	p := &program{folder: folder}
	p.build = sync.OnceValues(p.compile)
	return p
}

var (
	hostProgram    = newProgram("../examples/host")
	witnessProgram = newProgram("./testdata/witness")
)

// compile links a program for package kernel.
func (p *program) compile() ([]byte, error) {
	output := filepath.Join(scratch, filepath.Base(p.folder))
	c := exec.Command("go", "build", "-o", output, "-ldflags",
		"-E github.com/seed64aab995/rescuekernel/kernel.entry -T 0x500000411000", p.folder)
	c.Env = append(c.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(output)
}

// image is the program's ELF file.
func (p *program) image(t testing.TB) []byte {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("images are built with the go command, which is not in PATH")
	}
	image, err := p.build()
	require.NoError(t, err, p.folder)
	return image
}

// hostImage is the host as a file that boots.
func hostImage(t testing.TB) []byte {
	t.Helper()
	wrapped, err := bootimage.Wrap(bytes.NewReader(hostProgram.image(t)), bootimage.Options{})
	require.NoError(t, err)
	return wrapped
}
