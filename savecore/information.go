package savecore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
)

// digestField names the line of info.N that a saved dump is known by. It is
// ours; the other lines are savecore's.
const digestField = "Header Digest"

// headerDigest is the SHA-256 of the header that the dump was found by.
func headerDigest(device io.ReaderAt, dump *kerneldump.Dump) (string, error) {
	offset := dump.Layout.Trailing
	if dump.Problem != nil {
		offset = dump.Layout.Leading
	}
	header := make([]byte, kerneldump.HeaderSize)
	if _, err := device.ReadAt(header, offset); err != nil && err != io.EOF {
		return "", fmt.Errorf("read the dump's header at %#x: %w", offset, err)
	}
	sum := sha256.Sum256(header)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// information is what info.N says.
type information struct {
	header  *kerneldump.Header
	device  string
	number  int
	digest  string // empty for a dump that is not all there
	problem error
}

// writeInformation writes info.N in savecore's form.
func (d directory) writeInformation(i *information) error {
	h := i.header
	var b strings.Builder
	fmt.Fprintf(&b, "Dump header from device: %s\n", i.device)
	line := func(name string, value any) { fmt.Fprintf(&b, "  %s: %s\n", name, oneLine(fmt.Sprint(value))) }
	line("Architecture", h.Architecture)
	line("Architecture Version", h.ArchitectureVersion)
	line("Dump Length", h.Length)
	line("Blocksize", h.BlockSize)
	line("Compression", h.Compression)
	line("Dumptime", time.Unix(int64(h.Time), 0).UTC().Format("2006-01-02 15:04:05 -0700"))
	line("Hostname", h.HostName)
	line("Magic", h.Kind)
	line("Version String", h.VersionString)
	line("Panic String", h.PanicString)
	line("Bounds", i.number)
	status := "good"
	if i.problem != nil {
		status = "incomplete: " + i.problem.Error()
	}
	line("Dump Status", status)
	if i.digest != "" {
		line(digestField, i.digest)
	}
	if err := os.WriteFile(d.file("info", i.number), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write what the dump's header says: %w", err)
	}
	return nil
}

// oneLine keeps text from a header from looking like another line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.TrimSpace(text))
}
