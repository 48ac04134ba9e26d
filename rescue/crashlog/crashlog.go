package crashlog

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/seed64aab995/rescuekernel/record"
)

// ErrName says that Config.Name cannot be part of a file's name.
var ErrName = errors.New("the name holds what a file's name cannot")

// ErrClosed says that the log was closed.
var ErrClosed = errors.New("the crash log is closed")

// Defaults of Config.
const (
	DefaultName  = "crash"
	DefaultKeep  = 16
	DefaultLimit = 1 << 20
)

// Config is where and how much to keep. The zero value of all but Directory is
// useful.
type Config struct {
	// Directory is where the files are. Start makes it (mode 0700: a crash shows
	// what was in memory).
	Directory string

	// Name tells programs that share a folder apart. Default: DefaultName.
	Name string

	// Keep is how many files of ended instances stay. Default: DefaultKeep. The
	// newest ones do, and the oldest one: the first crash of many says most.
	Keep int

	// Limit is how many bytes of an instance's text are read. Default:
	// DefaultLimit. The file keeps all of it.
	Limit int64
}

func (c Config) withDefaults() (Config, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	if c.Keep <= 0 {
		c.Keep = DefaultKeep
	}
	if c.Limit <= 0 {
		c.Limit = DefaultLimit
	}
	if strings.ContainsAny(c.Name, `/\:*?"<>|`) || strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' }) {
		return c, fmt.Errorf("crash log %q: %w", c.Name, ErrName)
	}
	return c, nil
}

// Log is this instance's crash log. Its methods may be called from any
// goroutine.
type Log struct {
	config Config
	file   *os.File
	path   string
	ended  []Instance

	mutex  sync.Mutex
	closed bool
}

// Start begins this instance's file, has the runtime write its last words to it, and
// reads what instances that have ended left. There is one crash output in a
// process: a second Start takes it over from the first.
//
// What cannot be read of earlier instances is left out and does not stop it; what
// keeps this instance from having a file is an error.
func Start(c Config) (*Log, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Directory, 0o700); err != nil {
		return nil, fmt.Errorf("crash log: %w", err)
	}
	l := &Log{config: c}
	defer oneAtATime(c)()
	if l.ended, err = readEnded(c); err != nil {
		return nil, err
	}
	l.ended = rotate(l.ended, c.Keep)
	if err := l.create(time.Now()); err != nil {
		return nil, err
	}
	if err := debug.SetCrashOutput(l.file, debug.CrashOptions{}); err != nil {
		l.discard()
		return nil, fmt.Errorf("crash log %s: set the runtime's crash output: %w", l.path, err)
	}
	return l, nil
}

// startPatience is how often Start asks, 10 ms apart, for its turn.
const startPatience = 500

// oneAtATime waits until no other instance is in Start, and gives what ends this
// one's turn: whoever saw a file between its making and its lock would take its
// instance for ended. Without the lock, on a disk that is full or where there are
// none, Start goes on.
func oneAtATime(c Config) (end func()) {
	f, err := os.OpenFile(filepath.Join(c.Directory, c.Name+lockSuffix), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return func() {}
	}
	for range startPatience {
		if free, err := lock(f); free || err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return func() { f.Close() } // gives the lock back
}

// create makes this instance's file, locks it and writes its header.
func (l *Log) create(now time.Time) error {
	var restart record.ID
	rand.Read(restart[:])
	program, _ := os.Executable()
	h := header{started: now, pid: os.Getpid(), restart: restart.String(), build: buildID(), program: program}
	l.path = filepath.Join(l.config.Directory, fileName(l.config.Name, now, h.pid))
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("crash log: %w", err)
	}
	l.file = f
	if _, err := lock(f); err != nil {
		l.discard()
		return fmt.Errorf("crash log %s: lock: %w", l.path, err)
	}
	if _, err := f.WriteString(h.String()); err != nil {
		l.discard()
		return fmt.Errorf("crash log %s: write the header: %w", l.path, err)
	}
	return nil
}

func (l *Log) discard() {
	l.file.Close()
	os.Remove(l.path)
}

// Path is this instance's file.
func (l *Log) Path() string { return l.path }

// Previous is the last instance that ended otherwise than by Close.
func (l *Log) Previous() (Instance, bool) {
	if len(l.ended) == 0 {
		return Instance{}, false
	}
	return l.ended[len(l.ended)-1], true
}

// Ended is all that is kept of instances that ended otherwise than by Close, oldest
// first.
func (l *Log) Ended() []Instance { return append([]Instance(nil), l.ended...) }

// Remove removes the files of ended instances up to and with one, when what they
// say has arrived where it should.
func (l *Log) Remove(upTo Instance) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var failed []error
	left := l.ended[:0:0]
	for _, i := range l.ended {
		if i.Started.After(upTo.Started) {
			left = append(left, i)
			continue
		}
		if err := os.Remove(i.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = append(failed, fmt.Errorf("crash log: %w", err))
			left = append(left, i)
		}
	}
	l.ended = left
	return errors.Join(failed...)
}

// Close says that the program ends well: its file is removed and the runtime has no
// crash output any more.
func (l *Log) Close() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.closed {
		return fmt.Errorf("crash log %s: %w", l.path, ErrClosed)
	}
	l.closed = true
	err := debug.SetCrashOutput(nil, debug.CrashOptions{})
	if e := l.file.Close(); err == nil {
		err = e
	}
	if e := os.Remove(l.path); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("crash log %s: close: %w", l.path, err)
	}
	return nil
}
