// Command main writes the generated files of package trampoline. It is what go
// generate runs, in that package's directory.
package main

import (
	"fmt"
	"os"

	"github.com/seed64aab995/rescuekernel/trampoline/internal/generate"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate trampoline:", err)
		os.Exit(1)
	}
}

func run() error {
	for _, make := range []func() (*generate.Trampoline, error){generate.AMD64, generate.ARM64} {
		t, err := make()
		if err != nil {
			return err
		}
		file, err := t.GoFile()
		if err != nil {
			return err
		}
		if err := os.WriteFile(t.File(), file, 0o644); err != nil {
			return err
		}
	}
	return nil
}
