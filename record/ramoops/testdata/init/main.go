// Init is process 1 of a Linux that the tests boot: it loads ramoops, prints what
// pstore shows, and panics.
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	// Kernel and init share the console; every line of ours has a mark.
	say := func(format string, args ...any) { fmt.Printf("\n@@ "+format+"\n", args...) }
	for _, m := range [][2]string{{"sysfs", "/sys"}, {"proc", "/proc"}} {
		_ = os.MkdirAll(m[1], 0o755)
		if err := syscall.Mount(m[0], m[1], m[0], 0, ""); err != nil {
			say("error mount %s: %v", m[1], err)
		}
	}
	command, _ := os.ReadFile("/proc/cmdline")
	parameters := ""
	for _, word := range strings.Fields(string(command)) {
		if p, ok := strings.CutPrefix(word, "test.ramoops="); ok {
			parameters = strings.ReplaceAll(p, ",", " ")
		}
	}
	for _, module := range [][2]string{{"/reed_solomon.ko", ""}, {"/ramoops.ko", parameters}} {
		if err := load(module[0], module[1]); err != nil {
			say("error load %s: %v", module[0], err)
		}
	}
	if err := syscall.Mount("pstore", "/sys/fs/pstore", "pstore", 0, ""); err != nil {
		say("error mount pstore: %v", err)
	}
	files, _ := filepath.Glob("/sys/fs/pstore/*")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			say("error %v", err)
		}
		say("file %s %s", filepath.Base(name), base64.StdEncoding.EncodeToString(data))
	}
	say("done")
	time.Sleep(100 * time.Millisecond)
	_ = os.WriteFile("/proc/sys/kernel/sysrq", []byte("1"), 0)
	_ = os.WriteFile("/dev/kmsg", []byte("@ last words of a Linux\n"), 0)
	err := os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
	say("error sysrq: %v", err)
}

// load loads a module.
func load(path, parameters string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := syscall.BytePtrFromString(parameters)
	if err != nil {
		return err
	}
	const finitModuleAMD64 = 313
	if _, _, e := syscall.Syscall(finitModuleAMD64, file.Fd(), uintptr(unsafe.Pointer(text)), 0); e != 0 {
		return e
	}
	return nil
}
