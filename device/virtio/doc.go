// Package virtio drives virtio block devices by polling, over PCI (legacy and
// modern) and MMIO (versions 1 and 2), and defines what driver and device
// have in common: a device model uses the same names.
//
// The definitions are those of the VIRTIO specification 1.2; section numbers in
// comments are of that document. Numbers in rings and registers are
// little-endian.
package virtio
