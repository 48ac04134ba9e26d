package imagebuild_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/imagebuild"
)

// An image is built by the Go toolchain. Where there is none, the error says so.
func ExampleBuild() {
	result, err := imagebuild.Build(context.Background(), imagebuild.Options{
		Package: "./examples/host",
		Output:  "host",
		Go:      "/nowhere/go",
	})
	if errors.Is(err, imagebuild.ErrNoGo) {
		fmt.Println("install Go first")
		return
	}
	fmt.Println(result, err)
	// Output: install Go first
}
