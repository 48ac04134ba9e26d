// Package uart drives serial ports by polling, and defines their registers: what
// a driver writes and what a model of the device answers are the same names.
//
// There are two: the 16550 ([NewNS16550]), the one at port 0x3f8 of every PC,
// and ARM's PL011 ([NewPL011]). Both are an [io.Writer]: a write returns when the port
// has taken the bytes, or with [ErrTimeout] when it has taken none for a while,
// because nobody may be at the other end of a line with flow control. No
// interrupt is used, and none is left enabled.
//
// Offsets of a 16550's registers are in registers, of one byte each, from the
// port's base; on a memory-mapped one they are multiplied by the register
// stride. Sources: National Semiconductor PC16550D data sheet, section 8; ARM
// DDI 0183, PrimeCell UART (PL011) technical reference manual, section 3.
package uart
