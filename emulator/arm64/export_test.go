package arm64

import "slices"

// SystemEncoding is a system register, or a system instruction, of the tables.
type SystemEncoding struct {
	Name     string
	Key      SystemRegister
	Readable bool
	Writable bool // by MSR; a system instruction is SYS
}

// SystemEncodings are all there are, in order.
func SystemEncodings() (all []SystemEncoding) {
	for k, r := range systemRegisters {
		all = append(all, SystemEncoding{Name: r.name, Key: k, Readable: r.read != nil, Writable: r.write != nil})
	}
	for k, o := range systemOperations {
		all = append(all, SystemEncoding{Name: o.name, Key: k, Writable: true})
	}
	slices.SortFunc(all, func(a, b SystemEncoding) int { return int(a.Key) - int(b.Key) })
	return all
}
