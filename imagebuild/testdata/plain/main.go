// Plain is a program that does not import package kernel.
package main

func main() { println("plain") }
