// Rescue is the developer's and operator's tool of rescue kernels: it builds
// images of Go programs that run as kernels, looks into images and into the
// memory that a rescue program was armed in, and boots hosts in a VM.
//
//	rescue build ./host                      a Go program as an image, host and host.debug
//	rescue build --boot -o host.elf ./host   as a file that QEMU, gokvm or Firecracker boots
//	rescue boot --rescue ./dump ./host       a host in a VM, with its rescue program
//	rescue boot BOOTX64.EFI                  one that rescue build --efi made, by UEFI firmware
//	rescue drill                             a host that panics, and the proof that its dump is true
//	rescue trace                             each instruction of a hand-off
//	rescue inspect FILE                      an image, a reservation, a machine's memory
//
// Every command has long help with examples: rescue help COMMAND.
//
// # Images and packages
//
// Where HOST or RESCUE stands, a file is an image that was built before;
// anything else is a Go package, given as to go build or with @version, and is
// built into a cache: the directory RESCUE_CACHE, or one in the user's cache
// directory.
//
// # Output
//
// Results, and the guest's console, go to standard output, all else to standard
// error. With --json, keys are snake_case and stable; an address is a string with
// 0x, since numbers of 64 bits lose digits in many JSON readers; a count or size
// is a number.
//
// # Exit codes
//
//	0  done; boot: the guest turned the machine off, or halted it
//	1  any error not listed here
//	2  usage: unknown command or flag, malformed argument
//	3  not an image and not memory with a reservation in it
//	4  damaged: a seal of the reservation is broken
//	5  the program could not be built
//	6  I/O: a file could not be opened, read or written
//	7  this computer has no such machine
//	8  interrupted
//	9  boot: the guest reset the machine, crashed it, or ended with another code than 0
//	10 boot: the timeout passed
package main
