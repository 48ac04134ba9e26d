package savecore_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/savecore"
)

// A device with a dump is saved into a crash directory, once.
func ExampleSave() {
	device := &disk{data: make([]byte, 1<<20)}
	w, err := kerneldump.NewWriter(kerneldump.WriterOptions{Device: device, Size: 1 << 20, Extent: 4096,
		Header: kerneldump.Header{Architecture: "amd64", PanicString: "out of coffee"}})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := w.Write([]byte("minidump FreeBSD/amd64")); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	crash, err := os.MkdirTemp("", "crash")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(crash)
	for range 2 {
		result, err := savecore.Save(context.Background(), device, 1<<20, savecore.Options{Directory: crash, Device: "/dev/vtbd0"})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("dump %d, %q, saved before: %v\n", result.Number, result.Dump.Header.PanicString, result.Earlier)
	}
	// Output:
	// dump 0, "out of coffee", saved before: false
	// dump 0, "out of coffee", saved before: true
}
