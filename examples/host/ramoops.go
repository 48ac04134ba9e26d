package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/rescue"
)

// ramoops is the memory that the command line gives: its address and its size, as
// Linux's ramoops.mem_address and ramoops.mem_size are.
func ramoops(environment handoff.Environment) (r rescue.Ramoops, err error) {
	value := lookup(environment, "ramoops", "")
	if value == "" {
		return r, nil
	}
	address, size, _ := strings.Cut(value, ",")
	start, err := strconv.ParseUint(address, 0, 64)
	if err != nil {
		return r, fmt.Errorf("ramoops=%s: %w", value, err)
	}
	length, err := strconv.ParseUint(size, 0, 64)
	if err != nil {
		return r, fmt.Errorf("ramoops=%s: %w", value, err)
	}
	var ok bool
	if r.Region, ok = physmem.NewRange(physmem.Address(start), length); !ok {
		return r, fmt.Errorf("ramoops=%s: no such memory", value)
	}
	return r, nil
}
