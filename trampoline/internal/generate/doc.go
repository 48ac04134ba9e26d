// Package generate turns the trampolines' assembly into bytes. The Go tool
// chain assembles and links trampoline/internal/source, and the symbols are
// taken out of the program; so the source is plain Go assembly, and every
// system and architecture has the bytes. It runs by go generate, and in a
// test that compares its output with what is committed.
package generate
