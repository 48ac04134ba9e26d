// Package device is how the polled drivers below it reach hardware: registers,
// and memory for DMA.
//
// A driver knows its device's [Registers] by offset and not by where they are.
// They are I/O ports, through functions that the caller has ([PortFunctions]);
// memory that is mapped as device memory ([MMIO]); or, in a test, a model in Go.
// A [Bus] hands them out for a driver that has to find them by itself.
//
// A device reaches memory only in a [Region]: memory that the program has mapped
// and whose physical address it knows. All that a driver lets a device read or
// write lies in the one Region that its caller has given to it.
//
// # Order
//
// An access through MMIO is one machine instruction of just that width: the
// compiler can neither merge nor drop it, and a hypervisor can decode it. A
// write comes after every access to memory that the program made before it, and
// a read before every access that it makes after: amd64 has that order for
// uncached memory (Intel SDM 3A 9.2, 12.3), on arm64 a DMB OSH is executed
// (DDI 0487 B2.3). Memory that a device shares is taken to be coherent with the
// CPU's caches, as it is on PCs, in virtual machines, and where a device tree
// says dma-coherent.
//
// Multi-byte registers are little-endian, as those of all devices here.
// Nothing in this package or below it uses interrupts, goroutines or globals.
package device
