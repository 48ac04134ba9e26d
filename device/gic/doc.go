// Package gic has the register definitions of Arm's generic interrupt
// controllers, versions 2 and 3: where registers are, and what their bits mean.
// Kernels that send and take interrupts use them, and the models of package
// emulator/gic.
//
// Offsets are in bytes from the beginning of a frame: the distributor
// (GICD), the CPU interface of version 2 (GICC), a CPU's redistributor of
// version 3 (GICR), or an interrupt translation service (GITS). Registers are
// little-endian. The CPU interface of version 3 is system registers, [SystemRegister].
//
// Interrupts are numbered: 0 to 15 are software generated (SGI), 16 to 31
// private to a CPU (PPI), from 32 on shared (SPI), from 8192 on message
// signalled (LPI).
//
// Section numbers are those of the GIC architecture specification, version 3
// and 4 (IHI 0069 H.b), or with the prefix v2 version 2 (IHI 0048 B.b).
package gic
