package efivar

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
)

// Offsets in a firmware volume that holds variables, as EDK II's driver writes it
// (OVMF_VARS.fd): EFI_FIRMWARE_VOLUME_HEADER (PI specification volume 3, 3.2.1),
// VARIABLE_STORE_HEADER and AUTHENTICATED_VARIABLE_HEADER
// (MdeModulePkg/Include/Guid/VariableFormat.h).
const (
	volumeSignature    = 40 // "_FVH"
	volumeHeaderLength = 48 // u16
	storeHeaderSize    = 28 // GUID, u32 size, u8 format, u8 state, padding
	storeOffsetSize    = 16
	storeOffsetFormat  = 20 // u8 0x5a formatted, u8 0xfe healthy
	variableHeaderSize = 60
	variableStart      = 0x55aa
	variableAdded      = 0x3f // state
	variableReplacing  = 0x3e // another one is being written in its place

	maxVariables = 4096
)

// authenticated is gEfiAuthenticatedVariableGuid.
var authenticated = GUID{0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92}

// ErrImage says that bytes are no image of a store of variables.
var ErrImage = errors.New("not an image of a UEFI variable store")

// Image is the variables in an image of the flash of a virtual machine's
// firmware, for reading: GetVariable as of a VariableStore.
type Image struct {
	variables map[string]variable
}

type variable struct {
	attributes Attributes
	data       []byte
}

// IsImage reports whether data begins like such an image.
func IsImage(data []byte) bool {
	return len(data) >= volumeSignature+4 && string(data[volumeSignature:][:4]) == "_FVH"
}

// OpenImage reads an image. The error is ErrImage.
func OpenImage(image []byte) (*Image, error) {
	le := binary.LittleEndian
	if !IsImage(image) || len(image) < volumeHeaderLength+2 {
		return nil, fmt.Errorf("no firmware volume: %w", ErrImage)
	}
	at := int(le.Uint16(image[volumeHeaderLength:]))
	if at > len(image)-storeHeaderSize || !bytes.Equal(image[at:at+16], authenticated[:]) || le.Uint16(image[at+storeOffsetFormat:]) != 0xfe5a {
		return nil, fmt.Errorf("no store of authenticated variables at %#x: %w", at, ErrImage)
	}
	size := uint64(le.Uint32(image[at+storeOffsetSize:]))
	if size < storeHeaderSize || size > uint64(len(image)-at) {
		return nil, fmt.Errorf("store of %#x bytes at %#x of %#x: %w", size, at, len(image), ErrImage)
	}
	store := image[at:][:size]
	m := &Image{variables: map[string]variable{}}
	for at, n := storeHeaderSize, 0; at+variableHeaderSize <= len(store) && n < maxVariables; n++ {
		h := store[at:]
		if le.Uint16(h) != variableStart {
			break // what is behind the last one is erased
		}
		name, length := uint64(le.Uint32(h[36:])), uint64(le.Uint32(h[40:]))
		end := variableHeaderSize + name + length
		if name%2 != 0 || end > uint64(len(h)) {
			return m, fmt.Errorf("variable at %#x of %#x and %#x bytes: %w", at, name, length, ErrImage)
		}
		if state := h[2]; state == variableAdded || state == variableReplacing {
			m.add(GUID(h[44:60]), h[variableHeaderSize:][:name], variable{Attributes(le.Uint32(h[4:])), append([]byte(nil), h[variableHeaderSize+name:end]...)}, state)
		}
		at = int(uint64(at)+end+3) &^ 3
	}
	return m, nil
}

// add adds a variable. One that is being replaced counts only until the other one
// is there.
func (m *Image) add(vendor GUID, name []byte, v variable, state byte) {
	units := make([]uint16, len(name)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(name[2*i:])
	}
	if n := len(units); n > 0 && units[n-1] == 0 {
		units = units[:n-1]
	}
	key := string(utf16.Decode(units)) + "-" + vendor.String()
	if _, there := m.variables[key]; there && state == variableReplacing {
		return
	}
	m.variables[key] = v
}

// GetVariable is a variable, or ErrNotFound.
func (m *Image) GetVariable(name string, vendor GUID) ([]byte, Attributes, error) {
	v, ok := m.variables[name+"-"+vendor.String()]
	if !ok {
		return nil, 0, fmt.Errorf("%s-%v: %w", name, vendor, ErrNotFound)
	}
	return v.data, v.attributes, nil
}

// SetVariable is refused: an image is read only.
func (m *Image) SetVariable(name string, _ GUID, _ Attributes, _ []byte) error {
	return fmt.Errorf("%s: %w", name, errors.ErrUnsupported)
}
