//go:build unix

package qemu

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// serialPort passes on what the guest writes to its serial port. QEMU writes
// it to a pipe; it goes to the writer only while the machine runs, and all of
// it before the run returns. It is a pipe because that holds as many bytes as
// pages: a socket is full after a few hundred writes of one byte, and then the
// guest's port is busy until this process gets to read, too long for a guest
// that waits a bounded time.
type serialPort struct {
	conn *os.File
	w    io.Writer // nil: discard
	err  error     // of w, the first
	done chan struct{}
}

// write gives output to the writer, until that fails.
func (s *serialPort) write(p []byte) {
	if s.w == nil || s.err != nil {
		return
	}
	if _, err := s.w.Write(p); err != nil {
		s.err = fmt.Errorf("serial output: %w", err)
	}
}

// start passes output on until stop.
func (s *serialPort) start() error {
	if err := s.conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		buffer := make([]byte, 4096)
		for {
			n, err := s.conn.Read(buffer)
			s.write(buffer[:n])
			if err != nil { // stop's deadline, or the end of QEMU
				return
			}
		}
	}()
	return nil
}

// stop passes on what is there already, and nothing after it returns.
func (s *serialPort) stop() error {
	if err := s.conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	<-s.done
	if err := s.conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	buffer := make([]byte, 4096)
	for {
		var n int
		var failure error
		err := raw.Read(func(fd uintptr) bool {
			n, failure = unix.Read(int(fd), buffer)
			return true // do not wait for more
		})
		if errors.Is(failure, syscall.EINTR) {
			continue
		}
		if err != nil || failure != nil || n == 0 {
			return s.err
		}
		s.write(buffer[:n])
	}
}

// unixConn makes a connection of a socket, which it closes.
func unixConn(f *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(f) // a duplicate
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("socket to QEMU: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("socket to QEMU is none of Unix"), c.Close())
	}
	return u, nil
}
