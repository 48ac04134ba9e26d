package ekcd_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/seed64aab995/rescuekernel/container/ekcd"
)

// A dump is encrypted for a public key and read with the private one.
func Example() {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	key, block, err := ekcd.NewKey(&private.PublicKey, ekcd.ChaCha20, ekcd.OAEP, nil)
	if err != nil {
		panic(err)
	}
	var disk bytes.Buffer
	w, err := ekcd.NewWriter(&disk, block, key)
	if err != nil {
		panic(err)
	}
	fmt.Fprint(w, "minidump FreeBSD/amd64")
	if err := w.Close(); err != nil {
		panic(err)
	}

	// Whoever finds the disk has only the key block and the private key.
	key, err = block.Decrypt(private)
	if err != nil {
		panic(err)
	}
	r, err := ekcd.NewReader(bytes.NewReader(disk.Bytes()), int64(disk.Len()), block, key)
	if err != nil {
		panic(err)
	}
	p := make([]byte, 13)
	if _, err := r.ReadAt(p, 9); err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", p)
	// Output: FreeBSD/amd64
}
