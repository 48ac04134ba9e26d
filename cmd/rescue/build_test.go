package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/imagebuild"
)

const hello = "../../imagebuild/testdata/program"

func TestBuild(t *testing.T) {
	t.Parallel()
	needGo(t)
	image := filepath.Join(t.TempDir(), "hello.img")
	var built buildFact
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "build", "--json", "-o", image, hello)), &built))
	require.Equal(t, image, built.Image)
	require.Equal(t, image+imagebuild.DebugSuffix, built.Debug)
	require.Less(t, built.ImageSize, built.DebugSize)

	var f, debug inspection
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "inspect", "--json", image)), &f))
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "inspect", "--json", built.Debug)), &debug))
	require.Equal(t, kindImage, f.Kind)
	require.Equal(t, built.ImageSize, f.Size)
	require.Equal(t, built.GoBuildID, f.Image.GoBuildID)
	require.Equal(t, built.BuildID, f.Image.BuildID)
	require.Equal(t, imagebuild.KernelPath+".entry", f.Image.EntrySymbol)
	require.True(t, f.Image.Stripped)
	require.False(t, debug.Image.Stripped)
	debug.Image.Stripped = true
	require.Equal(t, f.Image, debug.Image, "but for the symbols they are the same")
	require.Len(t, f.Image.Segments, 3)
	require.Equal(t, uint64(8<<20), f.Image.Least)
	require.Contains(t, requireDone(t, "build", "-o", filepath.Dir(image), hello), filepath.Join(filepath.Dir(image), "program.debug"))
}

func TestBuildBootImage(t *testing.T) {
	t.Parallel()
	needGo(t)
	image := filepath.Join(t.TempDir(), "hello.elf")
	out := requireDone(t, "build", "--boot", "--rescue", hello, "-o", image, hello)
	require.Contains(t, out, image+".debug")
	var f inspection
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "inspect", "--json", image)), &f))
	require.Equal(t, kindBootImage, f.Kind)
	require.Len(t, f.Reservations, 1)
	require.Equal(t, "host", f.Reservations[0].Role)
	require.Contains(t, out, f.Reservations[0].Image.GoBuildID)
	require.Contains(t, requireDone(t, "inspect", image), "boot image")

	// It is no rescue program.
	requireFails(t, exitNotOurs, "is a boot image", "boot", "--rescue", image, image)
	requireFails(t, exitNotOurs, "is a boot image", "build", "--boot", "--rescue", image, hello, "-o", t.TempDir())
}

func TestBuildRefusals(t *testing.T) {
	t.Parallel()
	needGo(t)
	requireFails(t, exitBuild, "it does not import it", "build", "-o", t.TempDir(), "../../imagebuild/testdata/plain")
	requireFails(t, exitBuild, "found library", "build", "-o", t.TempDir(), "../../imagebuild/testdata/library")
	requireFails(t, exitBuild, "absent", "build", "-o", t.TempDir(), "./testdata/absent")
	requireFails(t, exitBuild, "absent", "boot", "./testdata/absent")
	requireFails(t, exitIO, "", "build", "-o", filepath.Join(t.TempDir(), "absent", "image"), hello)
	requireFails(t, exitUsage, "say --output", "build", "./testdata")
}

// Without the Go toolchain images can be booted and inspected, not built. (Not
// parallel: it sets PATH.)
func TestNoGo(t *testing.T) {
	t.Setenv("PATH", "")
	requireFails(t, exitBuild, "the go command was not found", "build", "-o", t.TempDir(), hello)
	requireFails(t, exitBuild, "the go command was not found", "boot", hello)
	requireDone(t, "inspect", writeTemporary(t, "image", smallImage()))
}

// A file that is there is never taken for a package.
func TestImageFiles(t *testing.T) {
	t.Parallel()
	text := writeTemporary(t, "text", []byte("hello"))
	requireFails(t, exitNotOurs, "", "boot", text)
	requireFails(t, exitNotOurs, "", "boot", "--rescue", text, writeTemporary(t, "image", smallImage()))
	big := writeTemporary(t, "big", nil)
	require.NoError(t, os.Truncate(big, maxImageFile+1))
	requireFails(t, exitNotOurs, "at most 1 GiB", "boot", big)
}
