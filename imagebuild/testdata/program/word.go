//go:build !other

package main

const word = "program: hello"
