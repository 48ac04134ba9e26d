// Rescue-kernel is the rescue program: a host that panicked hands over to it, and
// it writes the host's minidump to the first target that takes it.
//
//	rescue build -o rescue.img github.com/seed64aab995/rescuekernel/cmd/rescue-kernel
//
// It runs on package kernel, in the reservation and nowhere else; package capture
// is what it does, and this program adds the drivers, the console and the end.
// Copy it to make a rescue program of your own.
//
// Its settings are variables of its environment, which a host sets by
// rescue.Config.Settings or as debug.rescue.NAME:
//
//	finish    reset (the default), poweroff, halt
//	compress  zstd (the default), none
//	progress  yes (the default), no
//
// # What it prints
//
// Nothing before the first block of the dump is on its way, unless something is
// wrong. Then a line a second, and at the end one that a program can read, words
// of the form key=value behind "rescue-kernel: report":
//
//	status           whole, cut, record (the list asked for no dump), failed
//	target           index in the host's list, -1 if there is no dump
//	pages, content   of the dump; bytes is what the target took
//	holes, marks     how many there are
//	panic_ns         from the panic to the image's first instruction; the
//	                 others count from there
//	main_ns          to main
//	checked_ns       to the seals having been checked
//	open_ns          to the dump being laid out
//	first_write_ns   to the first block with host pages being handed to the
//	                 target, early record and headers before it
//	done_ns          to the dump's last header
//	frames_least     free frames of 4 KiB at the worst moment
//
// A time that was not reached is 0.
package main
