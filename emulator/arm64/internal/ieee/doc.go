// Package ieee is floating-point arithmetic as Arm CPUs do it (DDI 0487 J1.3,
// shared/functions/float): IEEE 754 with Arm's choices where the standard leaves
// them open: which NaN comes out, tininess before rounding, flush to zero,
// default NaN, alternative half precision, and the estimates of FRECPE and
// FRSQRTE. All flags that it sets are exact.
//
// Numbers are bit patterns in a uint64, of a [Format]. What the arithmetic
// depends on is a [Unit]: FPCR, and FPSR into which flags are ORed. There are no
// traps: FPCR's enables have no effect, as on CPUs that have none.
//
// Common cases are done by the computer's own arithmetic, which is the same
// everywhere; the rest by integers.
package ieee
