// Package ram is a machine's memory in a file that is mapped: by this process,
// by KVM from here, and by QEMU as a shared memory backend.
//
// The ranges of RAM lie in the file one after the other. A page that nobody
// touched takes no memory, and [RAM.Populated] knows which those are.
package ram
