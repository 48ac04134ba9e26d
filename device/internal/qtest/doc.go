// Package qtest lets a test drive the devices of a QEMU machine by hand: the
// CPU stands still, and its test protocol (QEMU docs/devel/qtest.rst) reads and writes
// I/O ports and registers. The machine's RAM is shared with the test, so drivers
// do DMA in it.
//
// It is for the tests of the drivers: real device models, natively, on every
// board that QEMU has.
package qtest
