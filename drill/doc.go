// Package drill runs one hand-off, from boot to verified dump: what a rescue
// kernel is for, on a machine that this computer can run.
//
// Run boots a host with a disk, lets it arm and panic, stops every CPU at the
// freeze point and copies all memory; then the rescue program runs and writes
// its dump to the disk. Afterwards every page of the dump, and all memory outside
// of the reservation, is compared with the copy. The machine's guests take no
// part in that.
//
// The Result has what was seen, in figures; its OK is true only if all of it
// held. A hand-off that failed is a *PhaseError that names the phase.
//
// [Fault] is something that goes wrong in a drill, by script; [Trace] shows each
// instruction of one. Both need an emulated machine, and are the same every time.
//
// The images are built by the go command (package imagebuild), or given.
package drill
