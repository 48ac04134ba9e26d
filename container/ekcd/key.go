package ekcd

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Cipher is how the dump is encrypted.
type Cipher uint8

const (
	AES256CBC Cipher = 1
	ChaCha20  Cipher = 2 // dumpon's default
)

// String is the name that dumpon's -C takes.
func (c Cipher) String() string {
	switch c {
	case AES256CBC:
		return "aes-cbc"
	case ChaCha20:
		return "chacha20"
	}
	return fmt.Sprintf("Cipher(%d)", uint8(c))
}

// Padding is how RSA encrypts the key.
type Padding uint8

const (
	OAEP     Padding = iota // of newer dumpon and decryptcore, with SHA-1
	PKCS1v15                // of older ones
)

// Sizes in a key block (FreeBSD sys/kerneldump.h).
const (
	IVSize              = 32
	KeySize             = 32   // of what the ciphers take
	keyBufferSize       = 64   // of what is encrypted: the key and zeros
	maxEncryptedKeySize = 2048 // KERNELDUMP_ENCKEY_MAX_SIZE
	keyBlockHeaderSize  = 1 + IVSize + 4
)

var (
	// ErrKeyBlock says that bytes are not a key block.
	ErrKeyBlock = errors.New("not a key block")

	// ErrWrongKey says that the private key is not that of the public key that
	// the dump was encrypted for.
	ErrWrongKey = errors.New("private key does not fit the dump")

	// ErrPrivateKey says that a file has no RSA private key that can be used.
	ErrPrivateKey = errors.New("no usable RSA private key")
)

// KeyBlock is a key block.
type KeyBlock struct {
	Cipher       Cipher
	IV           [IVSize]byte
	EncryptedKey []byte
}

// ParseKeyBlock parses a key block; b may be longer, as padded to a sector.
func ParseKeyBlock(b []byte) (*KeyBlock, error) {
	if len(b) < keyBlockHeaderSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrKeyBlock, len(b))
	}
	k := &KeyBlock{Cipher: Cipher(b[0])}
	if k.Cipher != AES256CBC && k.Cipher != ChaCha20 {
		return nil, fmt.Errorf("%w: unknown cipher %d", ErrKeyBlock, b[0])
	}
	copy(k.IV[:], b[1:])
	n := binary.BigEndian.Uint32(b[33:])
	if n == 0 || n > maxEncryptedKeySize || int(n) > len(b)-keyBlockHeaderSize {
		return nil, fmt.Errorf("%w: encrypted key of %d bytes in a block of %d", ErrKeyBlock, n, len(b))
	}
	k.EncryptedKey = append([]byte(nil), b[keyBlockHeaderSize:][:n]...)
	return k, nil
}

// AppendBinary appends the key block without padding.
func (k *KeyBlock) AppendBinary(dst []byte) ([]byte, error) {
	if n := len(k.EncryptedKey); n == 0 || n > maxEncryptedKeySize {
		return dst, fmt.Errorf("%w: encrypted key of %d bytes", ErrKeyBlock, n)
	}
	dst = append(dst, byte(k.Cipher))
	dst = append(dst, k.IV[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(k.EncryptedKey)))
	return append(dst, k.EncryptedKey...), nil
}

// Decrypt gives the dump's key. It tries both paddings. The error is
// ErrWrongKey where private is not the right one.
func (k *KeyBlock) Decrypt(private *rsa.PrivateKey) ([]byte, error) {
	if private.Size() != len(k.EncryptedKey) {
		return nil, fmt.Errorf("%w: it has %d bits, the dump's key was encrypted with %d", ErrWrongKey, private.Size()*8, len(k.EncryptedKey)*8)
	}
	for _, decrypt := range []func() ([]byte, error){
		func() ([]byte, error) { return rsa.DecryptOAEP(sha1.New(), nil, private, k.EncryptedKey, nil) },
		//lint:ignore SA1019 older dumpon wrote it, and those dumps are to be read
		func() ([]byte, error) { return rsa.DecryptPKCS1v15(nil, private, k.EncryptedKey) },
	} {
		if key, err := decrypt(); err == nil && (len(key) == KeySize || len(key) == keyBufferSize) {
			return key[:KeySize], nil
		}
	}
	return nil, ErrWrongKey
}

// NewKey makes a one-time key and its key block, as dumpon -k does: random
// gives key and IV, and public encrypts the key. nil is the system's random
// numbers.
func NewKey(public *rsa.PublicKey, cipher Cipher, padding Padding, random io.Reader) (key []byte, block *KeyBlock, err error) {
	if cipher != AES256CBC && cipher != ChaCha20 {
		return nil, nil, fmt.Errorf("encrypt dump: unknown cipher %d", cipher)
	}
	if random == nil {
		random = rand.Reader
	}
	buffer := make([]byte, keyBufferSize)
	block = &KeyBlock{Cipher: cipher}
	if _, err := io.ReadFull(random, buffer[:KeySize]); err != nil {
		return nil, nil, fmt.Errorf("encrypt dump: key: %w", err)
	}
	if _, err := io.ReadFull(random, block.IV[:]); err != nil {
		return nil, nil, fmt.Errorf("encrypt dump: IV: %w", err)
	}
	switch padding {
	case OAEP:
		block.EncryptedKey, err = rsa.EncryptOAEP(sha1.New(), random, public, buffer, nil)
	case PKCS1v15:
		//lint:ignore SA1019 older decryptcore takes nothing else
		block.EncryptedKey, err = rsa.EncryptPKCS1v15(random, public, buffer)
	default:
		err = fmt.Errorf("unknown padding %d", padding)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("encrypt dump: %w", err)
	}
	if len(block.EncryptedKey) > maxEncryptedKeySize {
		return nil, nil, fmt.Errorf("encrypt dump: RSA key of %d bits, at most %d", public.Size()*8, maxEncryptedKeySize*8)
	}
	return buffer[:KeySize], block, nil
}

// NextIV replaces the IV by its SHA-256, as the kernel does when each dump
// starts: two dumps with one key must not have one IV.
func (k *KeyBlock) NextIV() { k.IV = sha256.Sum256(k.IV[:]) }
