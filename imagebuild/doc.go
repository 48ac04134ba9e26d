// Package imagebuild makes images for package kernel with the Go toolchain.
//
// [Build] takes a program that imports package kernel, host or rescue program,
// and makes two files of it:
//
//	IMAGE        what is armed, wrapped, or booted: without symbols and DWARF
//	IMAGE.debug  the same build with them, for debuggers and package symbols
//
// There is one link. IMAGE is IMAGE.debug without what is never loaded
// ([Strip]), so text, data and both build ids are the same; Build compares them
// all the same, and its error wraps [ErrDiffer] if they are not. The same
// source and toolchain give the same two files, to the byte, wherever they are
// built: paths are trimmed and no version control data is stamped.
//
// The build tag rescue_image is set, besides those of [Options]: an image dumps
// only machines of its own architecture, so the other's page tables are left out.
//
// [Cached] is Build for who wants the image and not the files, such as a tool
// that boots a package: it keeps them in a cache, where the go command
// finds that there is nothing to do if the source has not changed.
//
// The go command runs in the caller's module, so a package's path may be that
// of any module that is required there; PATH@VERSION builds outside of any
// module, from the module cache or the proxy.
package imagebuild
