package qemu

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel end the process when the thread that started it
// ends.
func dieWithParent(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
