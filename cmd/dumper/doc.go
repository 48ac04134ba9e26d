// Dumper reads kernel crash dumps: FreeBSD's minidumps and full dumps of amd64
// and arm64, which are also what this repository's rescue program writes, plain or
// compressed or still on the dump device.
//
//	dumper info vmcore                       what it is and what is missing
//	dumper log vmcore                        the kernel's messages
//	dumper read vmcore 0xffffffff81cd4c0c    memory, as hexadecimal
//	dumper translate vmcore ADDRESS          virtual to physical, step by step
//	dumper disasm -k kernel vmcore panic     code
//	dumper symbol -k kernel 0xffffffff80c09ade
//	dumper threads -k kernel vmcore          who ran where (FreeBSD)
//	dumper regs vmcore                       registers of the CPUs
//	dumper bt -k kernel vmcore               the calls that led to the crash
//	dumper verify vmcore                     is it whole and sound
//	dumper convert --to elf vmcore OUT       for gdb and others; and to compress
//	dumper prepare DEVICE[:START+LENGTH]     make a disk a place for dumps
//	dumper map -o memory.png vmcore          a picture of physical memory
//	dumper save --dir /var/crash DEVICE      from a dump device, as savecore does
//	dumper receive TTY -o vmcore.zst         from a serial line
//	dumper records FILE [class=host.fault]   fault records of a dump, a disk, pstore
//
// Every command has long help with examples: dumper help COMMAND.
//
// # Addresses
//
// ADDRESS is 0x and hexadecimal digits, or with --kernel a symbol, either with
// +OFFSET (hexadecimal with 0x, decimal without).
//
// # Files
//
// FILE is a dump, plain or in gzip or zstd, or the device or image of one that
// it was dumped to, or any of these in another; what it is is told by its
// content. An encrypted dump needs --private-key, and one that savecore has
// saved key.N, which is looked for beside vmcore_encrypted.N (--key-block).
//
// FILE may end in :START+LENGTH, an extent of it in bytes (64K, 1G, 0x10000).
//
// FILE is opened read-only: no command but save --clear, records acknowledge and prepare writes to
// what it is given.
// It may be - for standard input: a regular file there is read in place,
// anything else is kept in memory and, beyond 64 MiB, in a temporary file, which
// is removed at the end. The same goes for compressed dumps that cannot be read
// at random. --spool-limit bounds it, at 64 GiB unless it says otherwise.
//
// # Output
//
// Results go to standard output, all else to standard error. With --json, keys are
// snake_case and stable; an address is a string with 0x, since numbers of 64
// bits lose digits in many JSON readers; a count or size is a number.
//
// # Exit codes
//
//	0  done
//	1  any error not listed here
//	2  usage: unknown command, flag or symbol, malformed address, useless --kernel
//	3  not a dump, or a kind of dump that is not read
//	4  damaged: the file breaks a rule of its format, or a checksum is wrong
//	5  incomplete: the file ends before what was asked for; verify: sound but cut
//	6  I/O: a file could not be opened, read or written, or a disk is full
//	7  not there: the address is not mapped, its page was not dumped, or the dump
//	   has no such thing (messages, registers, records)
//	8  interrupted
package main
