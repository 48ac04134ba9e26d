// Package symbols gives names to a kernel's addresses, from its ELF file.
//
// A [Table] is read from a 64-bit ELF file: the symbol table where there is
// one (.symtab, else .dynsym), and the Go function table (pclntab), which a
// Go program keeps when it is stripped and which has files and lines too. It
// answers the two questions of a debugger, name to address and address to
// name and offset, resolves what a user types as an address, tells which
// build the file is, and reads what the file has at an address: the
// initialised data and code of the kernel before it ran.
//
// The file is not trusted. Sizes are bounded before anything is read, no
// loop is longer than its table, no name longer than [MaxNameLength] is
// given out, and a part that makes no sense is an error of [Open] or simply
// not there. A Table is safe for use by several goroutines at once, as far as
// the io.ReaderAt under it is.
//
// Addresses are those that the file was linked at, in the file's own byte
// order; nothing is relocated. FreeBSD's amd64 and arm64 kernels and the
// programs of this repository run where they are linked.
//
// DWARF is not read: function, file and line come from pclntab alone.
package symbols
