package main

// efiAMD64 is the entry point of an EFI application. It lies at the start of a
// page; the fields of the same page hold what it needs.
func efiAMD64()

func init() { code = append(code, efiAMD64) }
