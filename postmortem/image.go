package postmortem

import "errors"

// WithImage returns a Kernel whose memory is the dump's and, where the dump
// has none, the kernel file's: its code and constants, which a dump may lack
// and which do not change. Data that changes is as it was before the kernel ran.
func (k *Kernel) WithImage() *Kernel {
	spliced := *k
	spliced.Memory = splice{first: k.Memory, second: k.Symbols}
	return &spliced
}

// splice reads memory from second where first has none.
type splice struct{ first, second Memory }

// ReadVirtual reads as much as first has at address, and then what second has.
func (s splice) ReadVirtual(p []byte, address uint64) (int, error) {
	n, err := s.first.ReadVirtual(p, address)
	if err == nil || n == len(p) {
		return n, err
	}
	m, imageErr := s.second.ReadVirtual(p[n:], address+uint64(n))
	if imageErr != nil {
		err = errors.Join(err, imageErr)
	} else {
		err = nil
	}
	return n + m, err
}
