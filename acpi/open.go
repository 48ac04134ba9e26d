package acpi

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Tables are a machine's tables.
type Tables struct {
	RSDP RSDP
	// List is the tables in firmware's order, their headers only.
	List []Table
	// Problems are the tables that were left out, and why.
	Problems []error

	memory physmem.Reader
}

// Open reads the root pointer at rsdp, the list of tables, and their headers.
func Open(memory physmem.Reader, rsdp physmem.Address) (*Tables, error) {
	t := &Tables{memory: memory}
	data := make([]byte, rsdpNew)
	if n, err := memory.ReadPhysical(data, rsdp); err != nil && n < rsdpOld {
		return nil, fmt.Errorf("ACPI root pointer: %w", err)
	}
	var err error
	if t.RSDP, err = ParseRSDP(data); err != nil {
		return nil, fmt.Errorf("at %v: %w", rsdp, err)
	}
	signature, at, width := "XSDT", t.RSDP.XSDT, 8
	if at == 0 {
		signature, at, width = "RSDT", t.RSDP.RSDT, 4
	}
	root, err := t.read(at)
	if err != nil {
		return nil, err
	}
	if root.Signature != signature {
		return nil, root.failed("%w: want %q", ErrSignature, signature)
	}
	entries := root.Data[HeaderSize:]
	if len(entries)/width > MaxTables {
		return nil, root.failed("%w: %d tables, at most %d", ErrSize, len(entries)/width, MaxTables)
	}
	for ; len(entries) >= width; entries = entries[width:] {
		next := physmem.Address(binary.LittleEndian.Uint32(entries))
		if width == 8 {
			next = physmem.Address(binary.LittleEndian.Uint64(entries))
		}
		table, err := t.header(next)
		if err != nil {
			t.Problems = append(t.Problems, err)
			continue
		}
		t.List = append(t.List, table)
	}
	return t, nil
}

// Table reads the first table of a signature. ErrNoTable: there is none.
func (t *Tables) Table(signature string) (Table, error) {
	for _, table := range t.List {
		if table.Signature == signature {
			return t.read(table.Address)
		}
	}
	return Table{}, &TableError{Signature: signature, Err: ErrNoTable}
}

// header reads the header of the table at an address.
func (t *Tables) header(at physmem.Address) (Table, error) {
	data := make([]byte, HeaderSize)
	_, err := t.memory.ReadPhysical(data, at)
	table := Table{}
	if err == nil {
		table, err = parseHeader(data)
	}
	if err != nil {
		return Table{}, &TableError{table.Signature, at, err}
	}
	table.Address = at
	return table, nil
}

// read reads all of the table at an address.
func (t *Tables) read(at physmem.Address) (Table, error) {
	header, err := t.header(at)
	if err != nil {
		return Table{}, err
	}
	data := make([]byte, header.Length)
	if _, err := t.memory.ReadPhysical(data, at); err != nil {
		return Table{}, &TableError{header.Signature, at, err}
	}
	if sum(data) != 0 {
		return Table{}, &TableError{header.Signature, at, ErrChecksum}
	}
	header.Data = data
	return header, nil
}
