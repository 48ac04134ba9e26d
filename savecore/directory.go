package savecore

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
)

// directory is a crash directory.
type directory struct{ path string }

// file is the path of a dump's file.
func (d directory) file(name string, number int) string {
	base, extension, _ := strings.Cut(name, "|")
	return filepath.Join(d.path, base+"."+strconv.Itoa(number)+extension)
}

// fileName is what savecore calls the dump: the name before the number, "|",
// and the extension after it.
func fileName(h *kerneldump.Header) string {
	extension := ""
	switch h.Compression {
	case kerneldump.CompressionGzip:
		extension = "|.gz"
	case kerneldump.CompressionZstd:
		extension = "|.zst"
	}
	switch {
	case h.Kind == kerneldump.KindText:
		return "textdump.tar" + extension
	case h.KeySize > 0:
		return "vmcore_encrypted" + extension
	}
	return "vmcore" + extension
}

// find looks for the number under which the dump with this digest was saved.
func (d directory) find(digest string) (number int, found bool, err error) {
	paths, err := filepath.Glob(filepath.Join(escape(d.path), "info.*"))
	if err != nil {
		return 0, false, fmt.Errorf("look for earlier dumps: %w", err)
	}
	for _, path := range paths {
		number, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(path), "info."))
		if err != nil {
			continue // info.last, or not ours
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, false, fmt.Errorf("look for earlier dumps: %w", err)
		}
		for scan := bufio.NewScanner(bytes.NewReader(text)); scan.Scan(); {
			// Exactly: other lines hold text from the dump's header.
			if scan.Text() == "  "+digestField+": "+digest {
				return number, true, nil
			}
		}
	}
	return 0, false, nil
}

// escape keeps filepath.Glob from reading a directory's name as a pattern. On
// Windows a backslash separates, so there a name with brackets stays a pattern.
func escape(path string) string {
	if filepath.Separator == '\\' {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// next takes the next number from the file bounds and makes room for it.
func (d directory) next(maximum int) (int, error) {
	path := filepath.Join(d.path, "bounds")
	number := 0
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		// A file that is not a number begins again at 0, as in savecore.
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n >= 0 {
			number = n
		}
	case !errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("read the next dump's number: %w", err)
	}
	if maximum > 0 {
		number %= maximum
		if err := d.remove(number); err != nil {
			return 0, err
		}
	} else {
		number = d.firstFree(number)
	}
	following := number + 1
	if maximum > 0 {
		following %= maximum
	}
	if err := os.WriteFile(path, fmt.Appendln(nil, following), 0o600); err != nil {
		return 0, fmt.Errorf("write the next dump's number: %w", err)
	}
	return number, nil
}

// allNames are the names of every file that a number can have.
var allNames = []string{
	"info", "key", "vmcore", "vmcore|.gz", "vmcore|.zst", "textdump.tar", "textdump.tar|.gz", "textdump.tar|.zst",
	"vmcore_encrypted", "vmcore_encrypted|.gz", "vmcore_encrypted|.zst",
}

// firstFree is the first number from start on that no file has: bounds may
// have been lost, and evidence is never written over.
func (d directory) firstFree(start int) int {
	for number := start; ; number++ {
		taken := false
		for _, name := range allNames {
			_, err := os.Lstat(d.file(name, number))
			taken = taken || err == nil
		}
		if !taken {
			return number
		}
	}
}

// remove removes the files of a number that is used again.
func (d directory) remove(number int) error {
	for _, name := range allNames {
		if err := os.Remove(d.file(name, number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the dump that had number %d: %w", number, err)
		}
	}
	return nil
}

// link points the *.last links at the newest files. Where links cannot be
// made, as for an ordinary user on Windows, there are none.
func (d directory) link(name string, number int, key bool) error {
	names := []string{"info", name}
	if key {
		names = append(names, "key")
	}
	for _, name := range names {
		base, extension, _ := strings.Cut(name, "|")
		link := filepath.Join(d.path, base+".last"+extension)
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("link the newest dump: %w", err)
		}
		if err := os.Symlink(filepath.Base(d.file(name, number)), link); err != nil {
			return nil
		}
	}
	return nil
}

// checkSpace reports ErrLittleSpace where a dump of size bytes would leave
// less than least free.
func (d directory) checkSpace(size, least uint64) error {
	free, err := freeSpace(d.path)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", d.path, err)
	}
	if least > 0 && (free < least || free-least < size) {
		return fmt.Errorf("%s has %d bytes free, the dump has %d and %d must stay free: %w", d.path, free, size, least, ErrLittleSpace)
	}
	return nil
}
