package main

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/efivar"
	"github.com/seed64aab995/rescuekernel/rescue"
)

// saveRecords copies what panics of earlier boots have left in memory to variables of
// the firmware's, where it is EFI, and prints what is there.
func saveRecords(armed *rescue.Armed) error {
	services, err := kernel.NewEFIVariables()
	if errors.Is(err, kernel.ErrNoEFI) {
		return nil
	}
	if err != nil {
		return err
	}
	variables := efivar.NewStore(services, kernel.EFINotFound)
	n, err := armed.SaveRecords(variables)
	if err != nil {
		return err
	}
	fmt.Printf("host: %d records for firmware's variables\n", n)
	saved, err := efivar.Load(variables)
	if err != nil {
		return err
	}
	for _, data := range saved {
		r, err := record.Decode(data)
		if err != nil {
			return err
		}
		fmt.Printf("host: firmware has record %d of %v, %s: %s\n", r.Sequence, r.RestartID, r.Class, r.Message)
	}
	return nil
}
