package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/container/ekcd"
)

// maxKeyFile bounds what is read of a key's file.
const maxKeyFile = 1 << 20

// keys are the options that open an encrypted dump. The key block is on the
// device with the dump; savecore puts it into key.N beside
// vmcore_encrypted.N, and there it is looked for.
func (p *program) keys(name string) ([]container.Option, error) {
	var options []container.Option
	if p.privateKeyPath != "" {
		data, err := readKeyFile(p.privateKeyPath)
		if err != nil {
			return nil, err
		}
		private, err := ekcd.ParsePrivateKey(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.privateKeyPath, err)
		}
		options = append(options, container.WithPrivateKey(private))
	}
	block := p.keyBlockPath
	if block == "" {
		block = besideEncrypted(name)
	}
	if block != "" {
		data, err := readKeyFile(block)
		if err != nil {
			return nil, err
		}
		options = append(options, container.WithKeyBlock(data))
	}
	return options, nil
}

// besideEncrypted is the path of key.N for that of a vmcore_encrypted.N with
// or without a suffix, and "" for any other.
func besideEncrypted(name string) string {
	rest, ok := strings.CutPrefix(filepath.Base(name), "vmcore_encrypted.")
	if !ok {
		return ""
	}
	number, _, _ := strings.Cut(rest, ".")
	return filepath.Join(filepath.Dir(name), "key."+number)
}

func readKeyFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return data, nil
}
