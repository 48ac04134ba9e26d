// Package container opens what kernel dumps come wrapped in. [Open] recognises
// a file by its content, never by its name, and goes through the layers, in
// any order that makes sense:
//
//	a dump device or an image of one (package kerneldump)
//	encryption, given the RSA private key (package ekcd)
//	zstd, gzip
//	a FreeBSD minidump of any architecture, or a full dump (ELF core)
//
// What comes out is a [File]: the dump as savecore would have saved it, for
// minidump.Open to read at random. A dump that was cut or damaged opens, and
// its Problems say what is wrong. A file that is something else is a
// *[FormatError] that names it and says what to do.
//
// # Random access to compressed dumps
//
// Zstd in frames is read frame by frame: our own (package seekable), and that
// of others if the frames tell their sizes. Gzip, and zstd in one large frame
// as savecore writes it, have no place to start but the beginning: Open
// decompresses them once into a [Spool], in memory if it is small and else in
// a temporary file with holes for zero pages, up to a limit. WithLazySpool
// puts that off, so that who wants only the start of a large dump need not
// wait for the rest.
package container
