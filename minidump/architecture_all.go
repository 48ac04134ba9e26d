//go:build !rescue_image

package minidump

// ownOnly: a program for people dumps and translates both architectures.
const ownOnly = false
