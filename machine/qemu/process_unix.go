//go:build unix

package qemu

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed64aab995/rescuekernel/machine"
)

// process is a QEMU that runs, and the connections to it.
type process struct {
	command *exec.Cmd
	gdb     *gdb
	qmp     *qmp
	serial  *serialPort
	stderr  lockedBuffer
	done    chan struct{} // closed when it has ended
	events  *events
}

// lockedBuffer keeps the first of what is written to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if room := 4096 - l.b.Len(); room > 0 {
		l.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start starts QEMU with arguments, stopped before its first instruction.
// Descriptor 3 of it is ram, 4 and 5 are sockets, 6 is the serial port's pipe.
func start(binary string, arguments []string, ram *os.File, serial io.Writer, events *events) (*process, error) {
	path, err := exec.LookPath(binary)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", machine.ErrUnavailable, err)
	}
	ours, theirs, err := sockets(2)
	if err != nil {
		return nil, err
	}
	port, written, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("pipe to QEMU: %w", err), closeAll(ours), closeAll(theirs))
	}
	enlarge(port)
	theirs = append(theirs, written)
	p := &process{done: make(chan struct{}), events: events, serial: &serialPort{conn: port, w: serial}}
	p.command = exec.Command(path, append(arguments, connectionArguments...)...)
	p.command.Stdout, p.command.Stderr = &p.stderr, &p.stderr
	p.command.ExtraFiles = append([]*os.File{ram}, theirs...)
	p.command.WaitDelay = time.Second
	if err := p.launch(); err != nil {
		return nil, errors.Join(err, port.Close(), closeAll(ours), closeAll(theirs))
	}
	if err := closeAll(theirs); err != nil {
		return nil, errors.Join(err, closeAll(ours), p.close())
	}
	if err := p.connect(ours); err != nil {
		select { // mostly it is ending, and says why
		case <-p.done:
		case <-time.After(time.Second):
		}
		closed := p.close()
		return nil, errors.Join(fmt.Errorf("%w: %s", err, p.stderr.String()), closed)
	}
	return p, nil
}

// connectionArguments name the sockets, and say what QEMU does by itself.
var connectionArguments = []string{
	"-chardev", "socket,id=gdb,fd=4", "-gdb", "chardev:gdb",
	"-chardev", "socket,id=qmp,fd=5", "-mon", "chardev=qmp,mode=control",
	"-chardev", "file,id=serial,path=" + descriptorDirectory + "6", "-serial", "chardev:serial",
	"-S", "-nodefaults", "-no-user-config", "-display", "none",
	// A reset and a power-off stop the machine, a panic does not.
	"-action", "reboot=shutdown,shutdown=pause,panic=none",
}

// sockets makes pairs of connected sockets.
func sockets(n int) (ours, theirs []*os.File, err error) {
	for range n {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("socket to QEMU: %w", err), closeAll(ours), closeAll(theirs))
		}
		unix.CloseOnExec(pair[0])
		unix.CloseOnExec(pair[1])
		ours = append(ours, os.NewFile(uintptr(pair[0]), "ours"))
		theirs = append(theirs, os.NewFile(uintptr(pair[1]), "theirs"))
	}
	return ours, theirs, nil
}

func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// launch starts the process on a thread of its own, which lives as long: where
// the system can, QEMU ends with that thread.
func (p *process) launch() error {
	dieWithParent(p.command)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.command.Start()
		started <- err
		if err != nil {
			return
		}
		_ = p.command.Wait() // the exit code is in ProcessState
		close(p.done)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("%w: start QEMU: %w", machine.ErrUnavailable, err)
	}
	return nil
}

// connect speaks to QEMU for the first time. Both connections answer when the
// machine has been made.
func (p *process) connect(ours []*os.File) error {
	var conns []*net.UnixConn
	for i, f := range ours {
		c, err := unixConn(f)
		if err != nil {
			for _, c := range conns {
				err = errors.Join(err, c.Close())
			}
			return errors.Join(err, closeAll(ours[i+1:]))
		}
		conns = append(conns, c)
	}
	p.gdb = newGDB(conns[0])
	p.qmp = newQMP(conns[1], p.events.take)
	if err := p.qmp.do("qmp_capabilities", nil, nil); err != nil {
		return fmt.Errorf("QEMU did not come up: %w", err)
	}
	if _, err := p.gdb.do("qSupported:multiprocess-"); err != nil {
		return err
	}
	return nil
}

// exitCode is how the process ended, after done.
func (p *process) exitCode() int { return p.command.ProcessState.ExitCode() }

// close ends the process.
func (p *process) close() error {
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end QEMU: %w", err)
	}
	<-p.done
	var errs []error
	if p.gdb != nil {
		errs = append(errs, p.gdb.conn.Close())
	}
	if p.qmp != nil {
		errs = append(errs, p.qmp.conn.Close())
	}
	return errors.Join(append(errs, p.serial.conn.Close())...)
}
