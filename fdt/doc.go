// Package fdt reads flattened device trees (Devicetree Specification 0.4,
// chapter 5), answers what arming asks of them, restricts them to a
// reservation, and writes them back.
//
//   - [Parse] makes a [Tree] of [Node] values with their properties;
//     [Tree.AppendBinary] makes bytes of it.
//   - [Tree.Lookup], [Tree.Phandle], [Tree.Compatible] and [Tree.DeviceType]
//     find nodes. [Node.Reg] gives registers at the addresses that the CPU
//     sees, through #address-cells, #size-cells and the ranges of every bus.
//   - [Tree.MemoryMap], [Tree.Memory] and [Tree.ReservedMemory] tell what the
//     physical address space is made of; [Tree.Chosen], [Tree.PSCI],
//     [Tree.CPUs], [Tree.InterruptControllers], [Tree.SerialPorts],
//     [Tree.VirtioMMIO] and [Tree.PCIHosts] what else a rescue program needs.
//   - [Tree.Restrict] is the tree for a program that shall use the reservation
//     alone: every node and bank of memory is rewritten, not only the first.
//   - [Node.Set], [Node.Delete], [Node.AddNode], [Node.Detach] change a tree.
//
// A rescue program is started from the hand-off block and needs none of this:
// the package is for the host's side, while it arms.
//
// # What is kept
//
// Properties keep their order and their bytes, nodes their order and their
// names, the memory reservation block its entries, the strings block its
// strings. What is not kept: FDT_NOP tokens, bytes in no block, padding, and
// the order of the blocks, which becomes dtc's. A tree in that form, as dtc
// writes it, comes back to the byte. Trees of version 16 or 17 are read, and
// version 17 is written.
//
// # Trust
//
// A tree comes from a host that may be broken. [Parse] takes at most MaxSize
// bytes, MaxNodes nodes MaxDepth deep and MaxProperties properties (a node
// MaxNodeProperties), and checks every offset before it is used. Whatever a property's value is, nothing here
// panics on it: a value that does not fit its meaning is a [*PropertyError].
// Where a name is there twice the first counts, as for libfdt, and Set removes
// the others.
//
// Numbers are big-endian, as everywhere in a device tree; addresses and sizes
// are in bytes; ranges are half-open.
//
// # Why not u-root's pkg/dt
//
// It (v0.16.0) does not read version 16, which has no size of the structure
// block; it takes sizes from the tree for allocations of up to 4 GiB, nests
// without limit, takes trees whose nodes are not closed, and changes names that
// are not ASCII. To guard it takes another parser in front of it, as large as
// itself. It has no #address-cells and no ranges, and panics on every list of
// strings. So nothing of it would be left to use, and it would link LZ4 into
// every host.
package fdt
