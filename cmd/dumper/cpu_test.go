package main

import "github.com/seed64aab995/rescuekernel/minidump"

func hostCPUs() []minidump.CPUNote { return nil }
