package efivar

import "errors"

// Services are the firmware's services as a kernel offers them to Go:
// kernel.EFIVariables does.
type Services interface {
	Get(name string, vendor [16]byte) (data []byte, attributes uint32, err error)
	Set(name string, vendor [16]byte, attributes uint32, data []byte) error
}

// NewStore makes a VariableStore of services. notFound is their error for a variable
// that is not there.
func NewStore(s Services, notFound error) VariableStore { return &store{s, notFound} }

type store struct {
	services Services
	notFound error
}

func (s *store) GetVariable(name string, vendor GUID) ([]byte, Attributes, error) {
	data, attributes, err := s.services.Get(name, vendor)
	return data, Attributes(attributes), s.translate(err)
}

func (s *store) SetVariable(name string, vendor GUID, attributes Attributes, data []byte) error {
	return s.translate(s.services.Set(name, vendor, uint32(attributes), data))
}

func (s *store) translate(err error) error {
	if errors.Is(err, s.notFound) {
		return errors.Join(ErrNotFound, err)
	}
	return err
}
