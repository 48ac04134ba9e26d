package imagebuild_test

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/imagebuild"
	"github.com/seed64aab995/rescuekernel/reserve"
	"github.com/seed64aab995/rescuekernel/symbols"
)

const program = "./testdata/program"

func needGo(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not in PATH")
	}
}

// cached keeps the images of a test process in one cache.
var cached struct {
	once      sync.Once
	directory string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if cached.directory != "" {
		_ = os.RemoveAll(cached.directory)
	}
	os.Exit(code)
}

func cacheDirectory(t testing.TB) string {
	t.Helper()
	needGo(t)
	cached.once.Do(func() {
		var err error
		cached.directory, err = os.MkdirTemp("", "imagebuild-test-*")
		require.NoError(t, err)
	})
	return cached.directory
}

// built is the test program's image.
func built(t testing.TB) *imagebuild.Result {
	t.Helper()
	r, err := imagebuild.Cached(t.Context(), cacheDirectory(t), imagebuild.Options{Package: program})
	require.NoError(t, err)
	return r
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// The two files are one build: same text, same loaded bytes, same build ids,
// and the symbols of one are right for the other.
func TestImageAndDebug(t *testing.T) {
	t.Parallel()
	r := built(t)
	image, debug := read(t, r.Image), read(t, r.Debug)
	require.Equal(t, r.ImageSize, int64(len(image)))
	require.Equal(t, r.DebugSize, int64(len(debug)))
	require.Less(t, len(image), len(debug))

	a, err := elf.NewFile(bytes.NewReader(image))
	require.NoError(t, err)
	b, err := elf.NewFile(bytes.NewReader(debug))
	require.NoError(t, err)
	require.Nil(t, a.Section(".symtab"))
	require.NotNil(t, b.Section(".symtab"))
	for _, name := range []string{".text", ".rodata", ".gopclntab", ".data", ".noptrdata", ".note.go.buildid", ".note.gnu.build-id"} {
		want, err := b.Section(name).Data()
		require.NoError(t, err, name)
		require.NotNil(t, a.Section(name), name)
		got, err := a.Section(name).Data()
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(got, want), name)
		require.Equal(t, b.Section(name).Addr, a.Section(name).Addr, name)
	}
	for _, s := range a.Sections[1 : len(a.Sections)-1] {
		require.NotZero(t, s.Flags&elf.SHF_ALLOC, s.Name)
	}
	require.Equal(t, b.Entry, a.Entry)

	for _, file := range []string{r.Image, r.Debug} {
		id, err := exec.Command("go", "tool", "buildid", file).Output()
		require.NoError(t, err)
		require.Equal(t, r.GoBuildID, strings.TrimSpace(string(id)))
	}
	table, err := symbols.Open(bytes.NewReader(debug))
	require.NoError(t, err)
	stripped, err := symbols.Open(bytes.NewReader(image))
	require.NoError(t, err)
	require.NotEmpty(t, r.BuildID)
	require.Equal(t, r.BuildID, stripped.BuildID())
	entry, offset, ok := table.Find(a.Entry)
	require.True(t, ok)
	require.Equal(t, imagebuild.KernelPath+".entry", entry.Name)
	require.Zero(t, offset)
	answer, ok := stripped.Lookup("main.answer")
	require.True(t, ok)
	file, _, ok := table.Line(answer.Address)
	require.True(t, ok)
	require.False(t, filepath.IsAbs(file), "paths are trimmed: %s", file)
}

// The image is one that can be armed, without any byte of waste.
func TestImageOpens(t *testing.T) {
	t.Parallel()
	data := read(t, built(t).Image)
	image, err := reserve.OpenImage(bytes.NewReader(data))
	require.NoError(t, err)
	require.Equal(t, handoff.AMD64, image.Architecture)
	require.Equal(t, handoff.LinkBase, image.Layout().LinkBase)
	last := image.Segments[len(image.Segments)-1]
	require.Less(t, int64(len(data)), last.Offset+int64(last.FileEnd-last.Start)+4096)
}

// The same source makes the same files, wherever they go; tags make another.
func TestReproducible(t *testing.T) {
	t.Parallel()
	r := built(t)
	directory := t.TempDir()
	again, err := imagebuild.Build(t.Context(), imagebuild.Options{Package: ".", Directory: program, Output: directory})
	require.NoError(t, err)
	require.Equal(t, filepath.Base(again.Image)+imagebuild.DebugSuffix, filepath.Base(again.Debug))
	require.True(t, bytes.Equal(read(t, r.Image), read(t, again.Image)))
	require.True(t, bytes.Equal(read(t, r.Debug), read(t, again.Debug)))

	other, err := imagebuild.Build(t.Context(), imagebuild.Options{Package: program, Output: again.Image, Tags: []string{"other"}})
	require.NoError(t, err)
	require.NotEqual(t, r.GoBuildID, other.GoBuildID)
	require.Contains(t, string(read(t, other.Image)), "hello from the other one")
	left, err := os.ReadDir(directory)
	require.NoError(t, err)
	require.Len(t, left, 2, "nothing temporary is left")
}

// An image that is wrapped keeps its symbols beside it.
func TestWrap(t *testing.T) {
	t.Parallel()
	directory := cacheDirectory(t)
	r, err := imagebuild.Cached(t.Context(), directory, imagebuild.Options{Package: program, Wrap: func(image io.ReaderAt) ([]byte, error) {
		_, err := reserve.OpenImage(image)
		return []byte("wrapped"), err
	}})
	require.NoError(t, err)
	require.Equal(t, "wrapped", string(read(t, r.Image)))
	require.Equal(t, r.GoBuildID, built(t).GoBuildID)
	failure := errors.New("no paper")
	_, err = imagebuild.Cached(t.Context(), directory, imagebuild.Options{Package: program, Wrap: func(io.ReaderAt) ([]byte, error) { return nil, failure }})
	require.ErrorIs(t, err, failure)
	require.Equal(t, "wrapped", string(read(t, r.Image)), "a build that fails changes nothing")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	needGo(t)
	var refused *imagebuild.GoError
	tests := map[string]struct {
		change func(*imagebuild.Options)
		is     error
		as     any
		says   string
	}{
		"no go command":     {func(o *imagebuild.Options) { o.Go = "no-such-go-command" }, imagebuild.ErrNoGo, nil, "go.dev"},
		"no package":        {func(o *imagebuild.Options) { o.Package = "" }, nil, nil, "must be given"},
		"no output":         {func(o *imagebuild.Options) { o.Output = "" }, nil, nil, "must be given"},
		"without kernel":    {func(o *imagebuild.Options) { o.Package = "./testdata/plain" }, imagebuild.ErrProgram, nil, imagebuild.KernelPath},
		"library":           {func(o *imagebuild.Options) { o.Package = "./testdata/library" }, imagebuild.ErrProgram, nil, "want one package main, found library"},
		"no such package":   {func(o *imagebuild.Options) { o.Package = "./testdata/absent" }, nil, &refused, "absent"},
		"option as package": {func(o *imagebuild.Options) { o.Package = "-x" }, nil, &refused, "-x"},
		"several packages":  {func(o *imagebuild.Options) { o.Package = "../imagebuild/..." }, imagebuild.ErrProgram, nil, "found imagebuild"},
		"no version":        {func(o *imagebuild.Options) { o.Package = "example.com/a@" }, nil, nil, "PATH@VERSION"},
		"directory@version": {func(o *imagebuild.Options) { o.Package = "./a@v1.0.0" }, nil, nil, "PATH@VERSION"},
		"no directory":      {func(o *imagebuild.Options) { o.Output = filepath.Join(o.Output, "absent", "image") }, os.ErrNotExist, nil, ""},
		"unknown machine":   {func(o *imagebuild.Options) { o.Architecture = 3 }, nil, &refused, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			o := imagebuild.Options{Package: program, Output: directory}
			test.change(&o)
			_, err := imagebuild.Build(t.Context(), o)
			require.Error(t, err)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			if test.as != nil {
				require.ErrorAs(t, err, test.as)
			}
			require.ErrorContains(t, err, test.says)
			left, err := os.ReadDir(directory)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	needGo(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("supper is ready"))
	_, err := imagebuild.Build(ctx, imagebuild.Options{Package: program, Output: t.TempDir()})
	require.ErrorContains(t, err, "supper is ready")
}

// Builds of one package at one time end with one good image.
func TestConcurrentBuilds(t *testing.T) {
	t.Parallel()
	directory := cacheDirectory(t)
	want := built(t)
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			r, err := imagebuild.Cached(t.Context(), directory, imagebuild.Options{Package: program})
			if err != nil {
				t.Error(err)
				return
			}
			if r.Image != want.Image || r.GoBuildID != want.GoBuildID {
				t.Errorf("got %v, want %v", r, want)
			}
		})
	}
	wait.Wait()
}

func TestName(t *testing.T) {
	t.Parallel()
	working, err := os.Getwd()
	require.NoError(t, err)
	for in, want := range map[string]string{
		"./host": "host", "./host/": "host", "example.com/a/host": "host", "example.com/host/v2": "host",
		"example.com/host@v1.2.3": "host", "host.go": "host", "v2": "v2", ".": filepath.Base(working), "..": filepath.Base(filepath.Dir(working)),
	} {
		require.Equal(t, want, imagebuild.Name(in), in)
	}
}
