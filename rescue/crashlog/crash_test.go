package crashlog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/rescue/crashlog"
)

// environment is how a test tells its own program to be one that dies.
const environment = "CRASHLOG_TEST_DIE"

func TestMain(m *testing.M) {
	if way := os.Getenv(environment); way != "" {
		die(way, os.Getenv(environment+"_IN"))
	}
	os.Exit(m.Run())
}

// die starts a crash log and ends the program in one of the ways.
func die(way, directory string) {
	log, err := crashlog.Start(crashlog.Config{Directory: directory})
	if err != nil {
		fmt.Println(err)
		os.Exit(99)
	}
	ways[way].die(log)
	os.Exit(98) // it did not die
}

type way struct {
	die     func(*crashlog.Log)
	unix    bool // needs Unix
	kind    crashlog.Kind
	message string
	signal  string
}

//go:noinline
func deeper(n int) int {
	if n < 0 {
		return 0
	}
	return deeper(n+1) + 1
}

var depth int

var sink []byte

var ways = map[string]way{
	"panic":           {die: func(*crashlog.Log) { panic("the ledger is torn") }, kind: crashlog.Panic, message: "the ledger is torn"},
	"panic of error":  {die: func(*crashlog.Log) { panic(errors.New("no such account")) }, kind: crashlog.Panic, message: "no such account"},
	"panic elsewhere": {die: func(*crashlog.Log) { go panic("in a goroutine"); select {} }, kind: crashlog.Panic, message: "in a goroutine"},
	"panic again": {die: func(*crashlog.Log) {
		defer func() { panic("second") }()
		panic("first")
	}, kind: crashlog.Panic, message: "first"},
	"nil": {die: func(*crashlog.Log) { var p *int; *p = 1 }, kind: crashlog.Panic,
		message: "runtime error: invalid memory address or nil pointer dereference", signal: nilSignal},
	"index": {die: func(*crashlog.Log) { i := 7; _ = ledger[i] }, kind: crashlog.Panic,
		message: "runtime error: index out of range [7] with length 3"},
	"unlocked RW": {die: func(*crashlog.Log) { new(sync.RWMutex).RUnlock() }, kind: crashlog.Fatal, message: "in sync.(*RWMutex).rUnlockSlow"},
	"unlocked":    {die: func(*crashlog.Log) { new(sync.Mutex).Unlock() }, kind: crashlog.Fatal, message: "sync: unlock of unlocked mutex"},
	"map":         {die: func(*crashlog.Log) { writeAtOnce() }, kind: crashlog.Fatal, message: "concurrent map"},
	"stack":       {die: func(*crashlog.Log) { debug.SetMaxStack(1 << 20); depth = deeper(0) }, kind: crashlog.Fatal, message: "stack overflow"},
	"exit":        {die: func(*crashlog.Log) { os.Exit(3) }, kind: crashlog.Silent},
	"closed":      {die: func(l *crashlog.Log) { l.Close(); os.Exit(0) }},
	"memory":      {die: func(*crashlog.Log) { exhaust() }, unix: true, kind: crashlog.Memory},
	"SIGSEGV":     {die: func(*crashlog.Log) { raise("SEGV") }, unix: true, kind: crashlog.Signal, message: "segmentation violation", signal: "SIGSEGV"},
	"SIGABRT":     {die: func(*crashlog.Log) { raise("ABRT") }, unix: true, kind: crashlog.Signal, message: "abort", signal: "SIGABRT"},
	"SIGQUIT":     {die: func(*crashlog.Log) { raise("QUIT") }, unix: true, kind: crashlog.Signal, message: "quit", signal: "SIGQUIT"},
	"SIGKILL":     {die: func(*crashlog.Log) { raise("KILL") }, unix: true, kind: crashlog.Silent},
	"fault in Go": {die: func(*crashlog.Log) { writeUnmapped() }, unix: true, kind: crashlog.Fatal, message: "fault", signal: "SIGSEGV"},
}

// writeAtOnce has two goroutines write a map until the runtime sees it.
func writeAtOnce() {
	m := map[int]int{1: 1}
	for range 2 {
		go func() {
			for {
				m[1]++
			}
		}()
	}
	select {}
}

var ledger = []int{1, 2, 3}

// run lets the test's program die in one of the ways.
func run(t *testing.T, name, directory string, settings ...string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, self)
	c.Env = append(append(os.Environ(), environment+"="+name, environment+"_IN="+directory), settings...)
	out, err := c.CombinedOutput()
	if name != "closed" {
		require.Error(t, err, "%s", out)
		require.NotContains(t, []int{98, 99}, c.ProcessState.ExitCode(), "%s", out)
	}
}

func TestEveryFatalWay(t *testing.T) {
	t.Parallel()
	for name := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dieAndLook(t, name, "single")
		})
	}
}

// TestEveryTraceback has what the runtime says in more words, and in fewer.
func TestEveryTraceback(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"all", "system"} {
		for name := range ways {
			t.Run(level+" "+name, func(t *testing.T) {
				t.Parallel()
				dieAndLook(t, name, level)
			})
		}
	}
	directory := t.TempDir()
	for i, want := range []crashlog.Kind{crashlog.Panic, crashlog.Silent} {
		run(t, []string{"panic", "unlocked"}[i], directory, "GOTRACEBACK=none")
		log, err := crashlog.Start(crashlog.Config{Directory: directory})
		require.NoError(t, err)
		last, ok := log.Previous()
		require.True(t, ok)
		require.Equal(t, want, last.Kind, "a fatal error without stacks is nothing but its first line")
		require.NoError(t, log.Close())
	}
}

// dieAndLook has the program die, and looks at what is left of it.
func dieAndLook(t *testing.T, name, level string) {
	w := ways[name]
	if w.unix && runtime.GOOS == "windows" {
		t.Skip("this way to die is Unix's")
	}
	if raceDetector && name == "memory" {
		t.Skip("the race detector needs more address space than is left")
	}
	directory := t.TempDir()
	run(t, name, directory, "GOTRACEBACK="+level)
	log, err := crashlog.Start(crashlog.Config{Directory: directory})
	require.NoError(t, err)
	defer log.Close()
	last, ok := log.Previous()
	if w.kind == "" {
		require.False(t, ok, "an instance that ended well was reported: %v", last)
		return
	}
	require.True(t, ok)
	require.Equal(t, w.kind, last.Kind, "%s", last.Text)
	require.Contains(t, last.Message, w.message)
	require.Equal(t, w.signal, last.Signal, "%s", last.Text)
	require.Equal(t, int64(len(last.Text)), last.Size)
	require.NotZero(t, last.PID)
	require.Len(t, last.Restart, 32)
	checkRecord(t, last, log.Records("ledger"))
	require.WithinDuration(t, time.Now(), last.Started, time.Hour)
	self, err := os.Executable()
	require.NoError(t, err)
	require.Equal(t, filepath.Base(self), filepath.Base(last.Program))
	if w.kind == crashlog.Panic {
		require.NotZero(t, last.Goroutine)
		require.NotEmpty(t, last.Function, "%s", last.Text)
	}
}

// checkRecord encodes the record of an instance and reads it again.
func checkRecord(t *testing.T, last crashlog.Instance, records []record.Record) {
	t.Helper()
	require.Len(t, records, 1)
	encoded, err := records[0].AppendBinary(nil)
	require.NoError(t, err)
	r, err := record.Decode(encoded)
	require.NoError(t, err)
	require.Equal(t, last.Restart, r.RestartID.String())
	require.Equal(t, "ledger", r.Source)
	require.True(t, record.Within(r.Class, "task.fault"), r.Class)
	require.NotEmpty(t, r.Message)
	require.Equal(t, last.Kind == crashlog.Silent, r.Class == record.ClassTaskExit)
	require.True(t, strings.HasPrefix(string(last.Text), r.Trace))
	require.Equal(t, record.NoCPU, r.CPU)
}

func TestManyInstances(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for _, name := range []string{"index", "panic", "closed", "nil", "unlocked"} {
		run(t, name, directory)
	}
	config := crashlog.Config{Directory: directory, Keep: 3}
	log, err := crashlog.Start(config)
	require.NoError(t, err)
	kinds := func(ended []crashlog.Instance) (messages []string) {
		for _, i := range ended {
			messages = append(messages, i.Message)
		}
		return messages
	}
	require.Equal(t, []string{
		"runtime error: index out of range [7] with length 3",
		"runtime error: invalid memory address or nil pointer dereference",
		"sync: unlock of unlocked mutex",
	}, kinds(log.Ended()), "the first and the newest stay")

	// A second one in the same folder sees the same, and not the first, which lives.
	second, err := crashlog.Start(config)
	require.NoError(t, err)
	require.Equal(t, kinds(log.Ended()), kinds(second.Ended()))
	require.NotEqual(t, log.Path(), second.Path())
	require.NoError(t, second.Remove(second.Ended()[1]))
	require.Len(t, second.Ended(), 1)
	require.NoError(t, second.Close())
	require.ErrorIs(t, second.Close(), crashlog.ErrClosed)
	require.NoError(t, log.Close())
	left, err := filepath.Glob(filepath.Join(directory, "*.crash"))
	require.NoError(t, err)
	require.Len(t, left, 1)
}

// TestStartTogether starts many instances at once that live until all have started:
// none may take another for ended.
func TestStartTogether(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			log, err := crashlog.Start(crashlog.Config{Directory: directory})
			if !assertNoError(t, err) {
				return
			}
			if ended := log.Ended(); len(ended) > 0 {
				t.Errorf("%s took %s for ended", log.Path(), ended[0].Path)
			}
			t.Cleanup(func() { log.Close() })
		})
	}
	wait.Wait()
}

// assertNoError is for goroutines, which must not end the test.
func assertNoError(t *testing.T, err error) bool {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	_, err := crashlog.Start(crashlog.Config{Directory: t.TempDir(), Name: "a/b"})
	require.ErrorIs(t, err, crashlog.ErrName)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = crashlog.Start(crashlog.Config{Directory: file})
	require.Error(t, err)
	_, err = crashlog.Start(crashlog.Config{})
	require.Error(t, err)
}

// TestTornFiles cuts a file at each byte of its header and some of its text: it
// stays an instance, with what is left.
func TestTornFiles(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	run(t, "panic", directory)
	found, err := filepath.Glob(filepath.Join(directory, "*.crash"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	whole, err := os.ReadFile(found[0])
	require.NoError(t, err)
	for cut := range min(len(whole), 400) {
		torn := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(torn, filepath.Base(found[0])), whole[:cut], 0o600))
		log, err := crashlog.Start(crashlog.Config{Directory: torn, Limit: 100})
		require.NoError(t, err)
		last, ok := log.Previous()
		require.True(t, ok)
		require.NotZero(t, last.PID)
		require.False(t, last.Started.IsZero())
		require.LessOrEqual(t, len(last.Text), 100)
		require.NoError(t, log.Close())
	}
}
