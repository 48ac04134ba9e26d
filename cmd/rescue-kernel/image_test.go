package main_test

import (
	"debug/elf"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/imagebuild"
)

// maximumImage is what the image may take of a reservation.
const maximumImage = 3 << 20

// forbidden are packages that a rescue program has no use for, and those under
// them.
var forbidden = []string{
	"bufio", "compress", "crypto/rsa", "crypto/ecdsa", "crypto/tls", "crypto/x509", "database", "debug", "encoding/asn1", "encoding/gob", "encoding/json",
	"encoding/xml", "expvar", "flag", "go", "html", "image", "log/slog", "math/big", "net", "os/exec", "os/signal", "os/user", "plugin", "regexp", "testing", "text",
	"github.com/seed64aab995/rescuekernel/acpi", "github.com/seed64aab995/rescuekernel/efi", "github.com/seed64aab995/rescuekernel/fdt",
	"github.com/spf13", "github.com/stretchr", "github.com/schollz", "github.com/bobuhiro11",
}

// traces is what may be linked of such a package: an initializer that nothing
// uses. The zstd encoder imports crypto/rand, that imports math/big, and of it
// 27 bytes are left.
const traces = 64

// TestImage lists the packages of which something is linked, and what they take.
func TestImage(t *testing.T) {
	t.Parallel()
	image, err := imagebuild.Build(t.Context(), imagebuild.Options{Package: ".", Output: filepath.Join(t.TempDir(), "image")})
	if errors.Is(err, imagebuild.ErrNoGo) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.Less(t, image.ImageSize, int64(maximumImage))
	file, err := elf.Open(image.Debug)
	require.NoError(t, err)
	defer file.Close()
	symbols, err := file.Symbols()
	require.NoError(t, err)
	sizes := map[string]uint64{}
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			sizes[packageOf(s.Name)] += s.Size
		}
	}
	var names []string
	for name := range sizes {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(sizes[b]) - int(sizes[a]) })
	for _, name := range names {
		t.Logf("%7d %s", sizes[name], name)
		for _, f := range forbidden {
			require.False(t, sizes[name] > traces && (name == f || strings.HasPrefix(name, f+"/")), "package %s is linked, %d bytes", name, sizes[name])
		}
	}
	require.Contains(t, names, "github.com/seed64aab995/rescuekernel/capture")
	require.Less(t, sizes["github.com/seed64aab995/rescuekernel/machdep/arm64"], uint64(1000), "it dumps hosts of amd64 only")
	t.Logf("image of %d bytes", image.ImageSize)
}

// packageOf is the package of a function's symbol.
func packageOf(symbol string) string {
	symbol, _, _ = strings.Cut(strings.TrimPrefix(symbol, "type:.eq."), "[")
	slash := strings.LastIndexByte(symbol, '/') + 1
	name, _, ok := strings.Cut(symbol[slash:], ".")
	if !ok {
		return "(assembly)"
	}
	return symbol[:slash] + name
}
