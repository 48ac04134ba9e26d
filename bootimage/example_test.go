package bootimage_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/bootimage"
)

// An ordinary program is not linked for the kernel window, and is refused.
func ExampleWrap() {
	file := []byte("#!/bin/sh\n")
	_, err := bootimage.Wrap(bytes.NewReader(file), bootimage.Options{})
	fmt.Println(errors.Is(err, bootimage.ErrImage))
	// Output: true
}
