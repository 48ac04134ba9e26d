package handoff_test

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// A host restricts its environment to what the rescue program shall know, and
// the rescue program reads it back.
func ExampleEnvironment() {
	host := handoff.Environment{
		{Name: "acpi.rsdp", Value: "0xbfed0014"},
		{Name: "geli.passphrase", Value: "swordfish"},
		{Name: "debug.rescue.rescue.end", Value: "poweroff"},
	}
	restricted, err := host.Restrict(nil, handoff.DefaultAllowed())
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := restricted.AppendBinary(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", data)
	environment, err := handoff.ParseEnvironment(data)
	fmt.Println(environment, err)
	// Output:
	// "rescue.end=poweroff\x00acpi.rsdp=0xbfed0014\x00\x00"
	// [{rescue.end poweroff} {acpi.rsdp 0xbfed0014}] <nil>
}

// The rescue program takes a block apart. A broken one is named.
func ExampleParse() {
	data, err := sample().AppendBinary(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	block, err := handoff.Parse(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(block.Role, block.Architecture, block.Reservation, block.Host.Name)
	for _, p := range []handoff.Part{handoff.PartImage, handoff.PartProgram} {
		fmt.Printf("%v: %d KiB\n", p, block.Parts[p].Size/1024)
	}
	data[handoff.HeaderLength+9] ^= 1
	_, err = handoff.Parse(data)
	fmt.Println(errors.Is(err, handoff.ErrChecksum))
	// Output:
	// rescue amd64 [0x40000000, 0x40800000) anvil
	// image: 64 KiB
	// program memory: 7168 KiB
	// true
}
