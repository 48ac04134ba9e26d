package ekcd

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// ParsePrivateKey finds the RSA private key in a PEM file: PKCS #1 ("RSA
// PRIVATE KEY") or PKCS #8 ("PRIVATE KEY"). Other blocks are passed over. The
// error is ErrPrivateKey, with what there was.
func ParsePrivateKey(file []byte) (*rsa.PrivateKey, error) {
	problem := "no PEM block"
	for {
		var block *pem.Block
		if block, file = pem.Decode(file); block == nil {
			return nil, fmt.Errorf("%w: %s", ErrPrivateKey, problem)
		}
		switch block.Type {
		case "RSA PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				problem = "it is encrypted with a passphrase; decrypt it with `openssl rsa -in KEY -out PLAIN`"
				continue
			}
			key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
			if err == nil {
				return key, nil
			}
			problem = err.Error()
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if rsaKey, ok := key.(*rsa.PrivateKey); ok && err == nil {
				return rsaKey, nil
			}
			problem = fmt.Sprintf("it is a %T", key)
			if err != nil {
				problem = err.Error()
			}
		case "ENCRYPTED PRIVATE KEY":
			problem = "it is encrypted with a passphrase; decrypt it with `openssl pkey -in KEY -out PLAIN`"
		default:
			problem = fmt.Sprintf("PEM block %q", block.Type)
		}
	}
}

// ParsePublicKey finds the RSA public key in a PEM file ("PUBLIC KEY" or "RSA
// PUBLIC KEY"), as dumpon -k takes it.
func ParsePublicKey(file []byte) (*rsa.PublicKey, error) {
	for {
		var block *pem.Block
		if block, file = pem.Decode(file); block == nil {
			return nil, fmt.Errorf("no RSA public key in the PEM file")
		}
		switch block.Type {
		case "PUBLIC KEY":
			key, err := x509.ParsePKIXPublicKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("public key: %w", err)
			}
			if rsaKey, ok := key.(*rsa.PublicKey); ok {
				return rsaKey, nil
			}
		case "RSA PUBLIC KEY":
			key, err := x509.ParsePKCS1PublicKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("public key: %w", err)
			}
			return key, nil
		}
	}
}
