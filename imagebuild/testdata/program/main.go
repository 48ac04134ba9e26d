// Program is the smallest image that says something.
package main

import _ "github.com/seed64aab995/rescuekernel/kernel"

// Answer is something to look up in an image's symbols.
//
//go:noinline
func answer() string { return word }

func main() { println(answer()) }
