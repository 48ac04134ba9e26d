package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/imagebuild"
)

// Packages of the programs that are built unless images are given.
const (
	HostPackage   = "github.com/seed64aab995/rescuekernel/examples/host"
	RescuePackage = "github.com/seed64aab995/rescuekernel/cmd/rescue-kernel"
)

// images builds what was not given, and wraps the host for booting.
func (d *drill) images(ctx context.Context) error {
	for _, image := range []struct {
		content *[]byte
		name    string
	}{{&d.Host, HostPackage}, {&d.Rescue, RescuePackage}} {
		if *image.content != nil {
			continue
		}
		built, err := d.build(ctx, image.name)
		if err != nil {
			return err
		}
		if *image.content, err = os.ReadFile(built.Image); err != nil {
			return fmt.Errorf("build %s: %w", image.name, err)
		}
	}
	var err error
	if d.boot, err = bootimage.Wrap(bytes.NewReader(d.Host), bootimage.Options{}); err != nil {
		return fmt.Errorf("wrap the host: %w", err)
	}
	return nil
}

// build builds a program of this module: where the go command finds the module
// from where it runs, as that has it (a checkout, a module that requires this
// one); elsewhere at the version that this program was itself built of.
func (d *drill) build(ctx context.Context, name string) (*imagebuild.Result, error) {
	built, err := imagebuild.Cached(ctx, "", imagebuild.Options{Package: name, Directory: d.Source, Architecture: d.Architecture})
	var refused *imagebuild.GoError
	if version := ownVersion(); errors.As(err, &refused) && version != "" {
		var again error
		built, again = imagebuild.Cached(ctx, "", imagebuild.Options{Package: name + "@" + version, Directory: d.Source, Architecture: d.Architecture})
		if err = again; again != nil {
			err = errors.Join(refused, again)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", name, err)
	}
	return built, nil
}

// ownVersion is the version of this module that the program was built of, empty
// if it was built in a checkout.
func ownVersion() string {
	const path = "github.com/seed64aab995/rescuekernel"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == path && m.Version != "" && m.Version != "(devel)" && !strings.Contains(m.Version, "+dirty") {
			return m.Version
		}
	}
	return ""
}
