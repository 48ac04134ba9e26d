// Package uart defines the registers of the 16550 serial port, the one at port
// 0x3f8 of every PC: what a polled driver writes and what a model of the
// device answers are the same names.
//
// Offsets are in registers, of one byte each, from the port's base; on a
// memory-mapped 16550 they are multiplied by the register stride. Source:
// National Semiconductor PC16550D data sheet, section 8.
package uart
