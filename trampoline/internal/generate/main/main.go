// Command main writes the generated file of package trampoline. It is what go
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
	t, err := generate.AMD64()
	if err != nil {
		return err
	}
	file, err := t.GoFile()
	if err != nil {
		return err
	}
	return os.WriteFile("codex86.go", file, 0o644)
}
