package main

// efiARM64 is the entry point of an EFI application. It lies at the start of a
// page; the fields of the same page hold what it needs.
func efiARM64()

func init() { code = append(code, efiARM64) }
