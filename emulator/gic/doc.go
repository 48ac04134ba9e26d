// Package gic models Arm's generic interrupt controllers for emulated machines:
// version 2 (distributor and CPU interfaces in memory) and version 3
// (distributor, redistributors, an interrupt translation service, and CPU
// interfaces that are system registers). It uses the definitions of package
// device/gic.
//
// A [Controller] is told interrupt lines by [Controller.SetSPI] and
// [Controller.SetPPI], and tells the lines of each CPU by Config.Signal:
// IRQ and FIQ, as levels. [Controller.Devices] are its registers in memory;
// the machine says by [Controller.Select] which CPU accesses them.
// [Controller.ReadSystem] and [Controller.WriteSystem] are the system registers,
// [Controller.Allows] which of them EL1 and EL2 have.
//
// # What there is
//
// One security state, as on a machine without EL3: GICD_CTLR.DS is set in version
// 3, and version 2 is without the Security Extensions. 32 levels of priority, both
// groups, priority masking, grouping and preemption, both modes of ending an
// interrupt, SGIs, PPIs, SPIs. With affinity routing only, in version 3. By
// priority a host can make pseudo-NMIs.
//
// Interrupts of group 0 are FIQs in version 3, and in version 2 with FIQEn.
//
// # What there is not
//
// LPIs: the registers of redistributors and of the translation service keep what
// is written to them, so that a host can set them up and record them, and
// commands to the service are taken from the queue; but nothing is translated,
// and no LPI is ever pending. Virtual CPU interfaces (GICH, ICH_* but for the traps of ICH_HCR_EL2), the
// extended ranges of PPIs and SPIs, and the state of a CPU that sleeps without
// asking its redistributor.
//
// # Contract
//
// A Controller is for one goroutine at a time. The same accesses in the same
// order give the same answers. Nothing that a guest does is an error: accesses
// that the architecture does not allow are ignored, and read as zeros.
//
// Section numbers in comments are as in package device/gic.
package gic
