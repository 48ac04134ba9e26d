//go:build linux

package kernel

import (
	"syscall"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// System calls whose numbers package syscall lacks or that are named
// differently on other architectures.
const (
	callSigaction   = syscall.SYS_RT_SIGACTION
	callSigprocmask = syscall.SYS_RT_SIGPROCMASK
	callSigaltstack = syscall.SYS_SIGALTSTACK
	callTgkill      = syscall.SYS_TGKILL
	callTkill       = syscall.SYS_TKILL
	callKill        = syscall.SYS_KILL
	callPrctl       = syscall.SYS_PRCTL
	callStatAt      = syscall.SYS_FSTATAT
	callRandom      = 278
)

const (
	architecture     = handoff.ARM64
	architectureName = "arm64"

	machineName = "aarch64"
	vdsoSymbol  = "__kernel_clock_gettime"
)
