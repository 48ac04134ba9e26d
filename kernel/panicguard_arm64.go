//go:build linux

package kernel

func callGuarded(function, argument, stack, fake, window uintptr) uintptr
func endGuarded(outcome uintptr)
func guardCall()
func guardBack()
func panicVectors()
func panicFault()
func panicLeave()
func panicLanding()

// noticeStackSize is the stack of a notifier.
const noticeStackSize = noticeStack - panicTable

// canGuard reports whether there can be a guard: always.
//
//go:nosplit
func canGuard() bool { return true }

// beginGuard lets exceptions of this CPU land in panicTrapped, by vectors that
// write no memory: the ordinary ones write to the kernel's state.
//
//go:nosplit
func beginGuard(*guardMemory) { gate(gateGuard, 0, 0, 0, 0) }

// prepareTimer finds the virtual timer's way to this CPU.
func prepareTimer() bool { return prepareController() == nil && hasWindow() }

//go:nosplit
func hasWindow() bool { return k.controller.version != 0 }

// openWindow sets the virtual timer of this CPU. The window itself is open only
// in callGuarded.
//
//go:nosplit
func openWindow(budget uintptr) { gate(gateTimer, budget|1, 0, 0, 0) }

// closeWindow stops the timer, and with it an interrupt that was on its way: it
// is a level.
//
//go:nosplit
func closeWindow() { gate(gateTimer, 0, 0, 0, 0) }
