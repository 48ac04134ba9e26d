// Package bootimage wraps a program for package kernel as a file that boots.
package bootimage
