// Command source holds the code of EFI applications, for package generate to
// assemble and take out. It is a program only so that the linker keeps the code;
// it is never run.
package main

// code is every stub that the architecture has, by reference.
var code []func()

func main() {
	for _, f := range code {
		f()
	}
}
