// Package device has models of devices for machines whose devices are answered
// for by the test process: a PCI host bridge, and virtio block devices on
// every transport that package device/virtio drives. They use the definitions
// of the drivers (device/pci, device/virtio), and so are a check of them too.
//
// [Block] is a disk. [Block.MMIO] puts it onto the MMIO transport, version 1 or
// 2; [Block.PCI] makes a PCI function of it, legacy, modern, or both, for a
// [HostBridge]. What machines have is a list of machine.Device: see
// [HostBridge.Devices].
//
//	disk, err := device.NewBlock(device.BlockConfig{Disk: machine.Disk{...}, Memory: ram})
//	bridge := device.NewHostBridge(device.HostBridgeConfig{})
//	err = bridge.Add(1, disk.PCI(device.Transitional))
//	err = bridge.Assign(device.Resources{Ports: 0xc000, Memory: 0xfe000000})
//	bus := machine.NewBus(bridge.Devices()...)
//
// # Contract
//
// A device's methods as a machine.Device are called one at a time, as
// machine.Bus does; its counters may be read at any time. All work is done in
// the guest's access that asks for it: there are no goroutines and no clock, so
// the same accesses give the same answers. DMA goes to the Memory of the
// BlockConfig, and through a PCI function only with the function's bus master
// bit.
//
// Nothing that a guest does is an error or makes a model panic. What a driver
// must not do with a queue (VIRTIO 1.2, 2.7) - descriptors that loop, lie
// outside of the table or of memory, have no room for a request, or DMA by a
// PCI function that is no bus master - ends in the status bit
// DEVICE_NEEDS_RESET, and [Block.Problem] says why. A write whose memory ends
// in the middle has stored what came before. Work is bounded: a notification
// handles as many requests as the queue has descriptors, a request moves at most
// [MaxTransfer] bytes. Accesses that the specification does not allow (width,
// place) are ignored, and read as zeros.
//
// # Faults
//
// [Faults] makes a disk misbehave at requests of the test's choice: fail, stay
// silent, tear a write, stop the machine, answer wrongly, write where it must
// not, raise its interrupt for ever.
//
// Section numbers in comments are those of the Virtual I/O Device (VIRTIO)
// specification 1.2, or with a prefix PCI those of PCI Local Bus 3.0.
package device
