//go:build other

package main

const word = "program: hello from the other one"
