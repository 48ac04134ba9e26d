package imagebuild_test

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/imagebuild"
)

const module = "github.com/seed64aab995/rescuekernel"

// A user's module that requires this one builds its own programs and ours. (Not
// parallel: it sets the environment, to stay off the network.)
func TestAnotherModule(t *testing.T) {
	needGo(t)
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "-mod=mod")
	directory := t.TempDir()
	write(t, filepath.Join(directory, "go.mod"), "module example.com/unikernel\n\ngo 1.26.0\n\nrequire "+module+" v0.0.0\n\nreplace "+module+" => "+root+"\n")
	write(t, filepath.Join(directory, "main.go"), string(read(t, "testdata/program/main.go")))
	write(t, filepath.Join(directory, "word.go"), "package main\n\nconst word = \"unikernel: hello\"\n")
	for _, packagePath := range []string{".", "example.com/unikernel", module + "/imagebuild/testdata/program"} {
		r, err := imagebuild.Build(t.Context(), imagebuild.Options{Package: packagePath, Directory: directory, Output: t.TempDir()})
		require.NoError(t, err, packagePath)
		require.NotEmpty(t, r.GoBuildID)
	}
}

// A version of a module is built outside of any module. The proxy is a
// directory with this tree as a version.
func TestVersion(t *testing.T) {
	needGo(t)
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	require.NoError(t, err)
	proxy := t.TempDir()
	publish(t, proxy, "v0.0.1")
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GOPROXY", fileURL(proxy)+","+fileURL(filepath.Join(strings.TrimSpace(string(cache)), "cache", "download"))+",off")
	t.Setenv("GONOSUMDB", "*")
	t.Setenv("GOFLAGS", "-modcacherw")
	r, err := imagebuild.Build(t.Context(), imagebuild.Options{
		Package: module + "/imagebuild/testdata/program@v0.0.1", Directory: t.TempDir(), Output: t.TempDir(),
	})
	require.NoError(t, err)
	require.Equal(t, "program", filepath.Base(r.Image))
	var refused *imagebuild.GoError
	_, err = imagebuild.Build(t.Context(), imagebuild.Options{Package: module + "/imagebuild@v0.0.2", Output: t.TempDir()})
	require.ErrorAs(t, err, &refused)
}

// publish puts this tree's sources into a module proxy's directory
// (https://go.dev/ref/mod#goproxy-protocol).
func publish(t *testing.T, proxy, version string) {
	t.Helper()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	require.NoError(t, filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && entry.Name() == ".git" {
			return fs.SkipDir
		}
		name, slashed := entry.Name(), filepath.ToSlash(path)
		source := strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
		if !source && !strings.HasSuffix(name, ".s") && slashed != "../go.mod" && slashed != "../go.sum" && !strings.HasSuffix(name, ".bin") {
			return nil
		}
		relative, err := filepath.Rel("..", path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil // somebody's temporary file
		}
		f, err := w.Create(module + "@" + version + "/" + filepath.ToSlash(relative))
		if err == nil {
			_, err = f.Write(data)
		}
		return err
	}))
	require.NoError(t, w.Close())
	versions := filepath.Join(proxy, filepath.FromSlash(module), "@v")
	require.NoError(t, os.MkdirAll(versions, 0o755))
	write(t, filepath.Join(versions, "list"), version+"\n")
	write(t, filepath.Join(versions, version+".info"), `{"Version":"`+version+`"}`)
	write(t, filepath.Join(versions, version+".mod"), string(read(t, "../go.mod")))
	write(t, filepath.Join(versions, version+".zip"), archive.String())
}

// fileURL is a directory as a URL: file:///x or file:///C:/x.
func fileURL(directory string) string {
	return "file:///" + strings.TrimPrefix(filepath.ToSlash(directory), "/")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}
