package vmtests

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/target"
)

// rescueProgram is the rescue program that dumps.
var rescueProgram = newProgram("../cmd/rescue-kernel")

// reportLine is its last word.
var reportLine = regexp.MustCompile(`rescue-kernel: report (.*)`)

// newDisk makes a disk that is labelled as a target.
func newDisk(t testing.TB, size int64) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	require.NoError(t, file.Truncate(size))
	options := target.PrepareOptions{Size: size}
	_, err = rand.Read(options.ID[:])
	require.NoError(t, err)
	_, err = target.Prepare(file, options)
	require.NoError(t, err)
	return file
}
