// Package virtio drives virtio block devices by polling, over PCI (legacy and
// modern) and MMIO (versions 1 and 2), and defines what driver and device
// have in common: a device model uses the same names.
//
// # Use
//
// [OpenPCI], [NewMMIO] or one of the other constructors make a [Transport];
// [NewBlock] resets the device behind it, whatever a crashed host had left there,
// and starts it. A [Block] reads and writes whole sectors as an io.ReaderAt and
// io.WriterAt. [Block.Pipeline] writes behind, for a program that compresses while
// the disk writes. [Block.Submit], [Block.Kick], [Block.Poll] and [Block.Wait] are
// what both are made of.
//
// # Memory
//
// Rings, headers and buffers are taken from Options.Memory, and the device is never
// given another address. Data that lie there (see [Block.Spare]) are not copied,
// others go through a buffer of their request.
//
// # Cost
//
// Submitting and waiting read and write memory only. A Kick costs one register write
// for all that was submitted before it, which is one exit of a virtual
// machine, and none while the device says that it is looking by itself. The
// interrupt status is never read; the device is told to raise no interrupts.
//
// # A device that misbehaves
//
// What the device writes is checked against what the driver has kept out of its
// reach. An answer that cannot be, or none within Options.Timeout, is an error and
// the end: the device is reset, so that it does not write into memory later, and
// the Block fails from then on. A device that cannot even be reset costs Timeout
// again. A request that the device says has failed is the error of that request
// only. The errors are *[RequestError].
//
// Indices of the rings are read and written by atomic operations, which are the
// memory barriers that the specification asks for (2.7.13); no driver
// decision relies on memory that the device can change meanwhile.
//
// The definitions are those of the VIRTIO specification 1.2; section numbers in
// comments are of that document. Numbers in rings and registers are
// little-endian. Not supported, and never negotiated: packed rings, indirect
// descriptors, event indices, devices behind an IOMMU that needs to be programmed
// (VIRTIO_F_ACCESS_PLATFORM).
package virtio
