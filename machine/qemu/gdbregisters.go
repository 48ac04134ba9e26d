package qemu

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// register is a register of a target description.
type register struct {
	number int
	bytes  int
}

// description is as much of GDB's target description as names registers (GDB
// manual, appendix G).
type description struct {
	Features []feature `xml:"feature"`
	Includes []include `xml:"include"`
	registerSet
}

type feature struct{ registerSet }

type include struct {
	Href string `xml:"href,attr"`
}

// registerSet are the registers of a feature, in order.
type registerSet struct {
	Regs []struct {
		Name   string `xml:"name,attr"`
		Bits   int    `xml:"bitsize,attr"`
		Number *int   `xml:"regnum,attr"`
	} `xml:"reg"`
}

// registers reads the target description and numbers its registers: each has
// its regnum, or one more than the register before it.
func (g *gdb) registers() (map[string]register, error) {
	found, next := make(map[string]register), 0
	if err := g.readDescription("target.xml", found, &next); err != nil {
		return nil, fmt.Errorf("target description: %w", err)
	}
	return found, nil
}

func (g *gdb) readDescription(name string, found map[string]register, next *int) error {
	text, err := g.document(name)
	if err != nil {
		return err
	}
	var d description
	decoder := xml.NewDecoder(strings.NewReader(text))
	if err := decoder.Decode(&d); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, i := range d.Includes {
		if err := g.readDescription(i.Href, found, next); err != nil {
			return err
		}
	}
	for _, set := range append(d.Features, feature{d.registerSet}) {
		for _, r := range set.Regs {
			if r.Number != nil {
				*next = *r.Number
			}
			if _, ok := found[r.Name]; !ok {
				found[r.Name] = register{*next, r.Bits / 8}
			}
			*next++
		}
	}
	return nil
}
