// Package pci reads and sets up functions of PCI devices through configuration
// space.
package pci
