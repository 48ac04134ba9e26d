// Command empty is the smallest program for package kernel: what all of them
// have.
package main

import _ "github.com/seed64aab995/rescuekernel/kernel"

func main() { println("nothing to do") }
