//go:build !linux || !amd64

package main

import "github.com/seed64aab995/rescuekernel/handoff"

// notifyHypervisor would tell the hypervisor: there is no device for it here.
func notifyHypervisor(*handoff.Notice) {}
