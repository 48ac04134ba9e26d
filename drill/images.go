package drill

import (
	"bytes"
	"context"
	"fmt"
	"os"

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
		built, err := imagebuild.Cached(ctx, "", imagebuild.Options{Package: image.name, Directory: d.Source})
		if err != nil {
			return fmt.Errorf("build %s: %w", image.name, err)
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
