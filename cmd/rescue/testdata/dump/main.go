// Dump is a rescue program that only says what happened.
package main

import (
	"fmt"
	"os"

	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/reserve"
)

func main() {
	if err := report(); err != nil {
		fmt.Println("dump:", err)
		os.Exit(1)
	}
}

func report() error {
	boot, err := kernel.Boot()
	if err != nil {
		return err
	}
	memory, err := kernel.Memory()
	if err != nil {
		return err
	}
	r, err := reserve.Open(memory, boot.Reservation.Start, reserve.StageSecond)
	if err != nil {
		return err
	}
	area, err := r.PanicArea()
	if err != nil {
		return err
	}
	fmt.Printf("dump: the host panicked: %v\n", area.Reason)
	return nil
}
