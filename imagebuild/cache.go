package imagebuild

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Cached is Build with an Output in a cache, made of what the Options say.
// The go command decides whether anything is to be done. Directory is the
// cache; "" = "rescuekernel/images" in the user's cache directory. Two that build
// the same at the same time do not disturb each other. (What a Wrap does is not
// part of the key, only that there is one.)
func Cached(ctx context.Context, directory string, o Options) (*Result, error) {
	if directory == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("cache of images: %w", err)
		}
		directory = filepath.Join(user, "rescuekernel", "images")
	}
	where, err := filepath.Abs(o.Directory)
	if err != nil {
		return nil, fmt.Errorf("cache of images: %w", err)
	}
	if strings.Contains(o.Package, "@") {
		where = "" // the same everywhere
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%v\x00%q\x00%t", where, o.Package, o.architecture(), o.Tags, o.Wrap != nil))
	directory = filepath.Join(directory, fmt.Sprintf("%s-%x", Name(o.Package), key[:6]))
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, fmt.Errorf("cache of images: %w", err)
	}
	o.Output = filepath.Join(directory, Name(o.Package))
	return Build(ctx, o)
}
