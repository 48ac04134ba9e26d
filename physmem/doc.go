// Package physmem is how every other package names, measures and reaches
// physical memory.
//
// It has four parts, each small:
//
//   - [Address] and the half-open [Range], and [Ranges], a sorted set of them
//     with a closed algebra (union, intersection, difference) and a search for
//     free space;
//   - [MemoryMap], the typed regions of a machine as its firmware tells them;
//   - the interfaces [Reader], [Writer], [Memory] and [Viewer], through which
//     memory is read, written and lent;
//   - memory to put behind them: [Bytes] and [Banks] (slices), [File] (ranges
//     at offsets of a file), [Sparse] (pages made on first write) and [Overlay]
//     (writes kept beside a base that is never written). [ExtentReader] goes
//     the other way and shows a list of ranges as one stream.
//
// Addresses and sizes are in bytes. No byte order is implied: memory is bytes.
//
// An access that leaves memory gives the bytes before the edge and an
// [*AccessError] that names the first range that was missing. Reads allocate
// nothing unless they fail. All implementations may be read by any number of
// goroutines at once; the comment of each type says what holds for writes.
//
// The package imports nothing of this module, and runs no code that depends
// on the machine it runs on.
package physmem
