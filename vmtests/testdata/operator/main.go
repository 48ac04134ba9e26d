// Operator is a host that arms, arms again and disarms as the words after
// "steps=" on its command line say, and tells what came of it:
//
//	arm       with the first module, giving its memory back
//	second    replace the rescue program by the second module
//	bad       try to replace it by what is no image
//	stray     try to, and to give memory back that is free already
//	small     try to replace it by one in 4 MiB
//	disarm    undo the arming
//	scribble  write to the first page of the reservation
//	panic     panic
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/rescue"
	"github.com/seed64aab995/rescuekernel/reserve"
)

func main() {
	if err := work(); err != nil {
		fmt.Println("operator:", err)
		os.Exit(1)
	}
}

func work() error {
	boot, err := kernel.Boot()
	if err != nil {
		return err
	}
	memory, err := kernel.Memory()
	if err != nil {
		return err
	}
	o := operator{boot: boot, memory: memory}
	for word := range strings.FieldsSeq(boot.CommandLine) {
		name, value, _ := strings.Cut(word, "=")
		o.environment = append(o.environment, handoff.Variable{Name: name, Value: value})
	}
	steps, _ := o.environment.Lookup("steps")
	for step := range strings.SplitSeq(steps, ",") {
		if err := o.step(step); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	return nil
}

type operator struct {
	boot        kernel.BootInfo
	memory      *kernel.PhysicalMemory
	environment handoff.Environment
	armed       *rescue.Armed
}

func (o *operator) step(name string) error {
	switch name {
	case "arm":
		return o.install(func(c rescue.Config) (*rescue.Armed, error) { return rescue.Arm(c) }, o.config(0))
	case "second":
		return o.install(o.armed.Rearm, o.config(1))
	case "bad", "small", "stray":
		c := o.config(1)
		switch name {
		case "bad":
			c.Image = strings.NewReader("this is no image")
		case "small":
			c.Place = reserve.Place{Size: 4 << 20}
		case "stray":
			c.ImageRange = o.boot.Modules[0].Range
		}
		_, err := o.armed.Rearm(c)
		fmt.Printf("operator: %s refused: %v\n", name, err)
	case "disarm":
		return o.armed.Disarm()
	case "scribble":
		at, err := kernel.Platform{}.VirtualAddress(o.armed.Reservation())
		if err != nil {
			return err
		}
		fmt.Println(`host: panic of kind "scribble"`)
		*at8(at) = 1
	case "panic":
		fmt.Println(`host: panic of kind "operator"`)
		kernel.Panic("the operator panics")
	default:
		return fmt.Errorf("no such step")
	}
	return nil
}

func (o *operator) config(module int) rescue.Config {
	r := o.boot.Modules[module].Range
	var image io.ReaderAt = physmem.NewExtentReader(o.memory, []physmem.Range{r})
	return rescue.Config{
		Platform: kernel.Platform{}, Image: image, ImageRange: r, Environment: o.environment,
		Settings: handoff.Environment{{Name: "module", Value: fmt.Sprint(module)}},
	}
}

// install arms, and tells whether the image's memory is free then.
func (o *operator) install(arm func(rescue.Config) (*rescue.Armed, error), c rescue.Config) error {
	armed, err := arm(c)
	if err != nil {
		return err
	}
	o.armed = armed
	free, err := kernel.Free()
	if err != nil {
		return err
	}
	fmt.Printf("operator: module free: %v\n", free.ContainsRange(c.ImageRange.AlignOutward(handoff.PageSize)))
	fmt.Printf("host: armed %v, freeze point %v\n", armed.Reservation(), armed.FreezePoint())
	return nil
}
