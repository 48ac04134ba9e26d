//go:build !linux

package main

import "os"

// sectorSize is what most disks have; --sector-size says what others have.
func sectorSize(*os.File) int { return 512 }
