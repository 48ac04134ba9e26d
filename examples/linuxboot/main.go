// Linuxboot is an init of a LinuxBoot system, in the style of u-root's, that knows what
// ended the one before it and tells whoever asks.
//
// It keeps its own last words (rescue/crashlog), finds those of the Linux kernel below it
// (pstore), restarts a service that dies and records why within the reporting window, and
// keeps all of it as fault records in one area that survives it: logged, served over HTTP
// and at a serial line.
//
//	linuxboot [-state DIR] [-pstore DIR] [-listen ADDRESS] [-console FILE] [-restarts N] [--] SERVICE [ARGUMENT...]
//
// As init it mounts first what it reads, and powers the machine off when the service is
// done, or resets it when that failed; mount_linux.go has that, and nothing else here needs
// Linux: try it anywhere. (Linux takes what follows "--" on its command line for init, and
// nothing behind a second one: rdinit=/init -- -state /state /service.)
//
//	go run ./examples/linuxboot -state /tmp/state -restarts 3 -- sh -c 'echo broke >&2; exit 3'
//	go run ./cmd/dumper records /tmp/state/records
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/seed64aab995/rescuekernel/record/console"
	"github.com/seed64aab995/rescuekernel/record/export"
	"github.com/seed64aab995/rescuekernel/record/recordhttp"
	"github.com/seed64aab995/rescuekernel/rescue/crashlog"
)

// settings are the flags.
type settings struct {
	state    string // folder that survives the program
	pstore   string // folder where Linux shows what the last kernel left
	listen   string // address for HTTP; empty: none
	console  string // device of a serial line; empty: none
	restarts int    // of the service; less than 0: any number
	service  []string
}

func main() {
	var s settings
	flag.StringVar(&s.state, "state", "/var/lib/rescue", "folder that survives the program")
	flag.StringVar(&s.pstore, "pstore", "/sys/fs/pstore", "folder with what the last kernel left")
	flag.StringVar(&s.listen, "listen", "", "address to serve records at, as 127.0.0.1:8080")
	flag.StringVar(&s.console, "console", "", "device of a line to serve records at, as /dev/ttyS1")
	flag.IntVar(&s.restarts, "restarts", -1, "how often to restart the service; -1: always")
	flag.Parse()
	s.service = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, s, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	failed := err != nil && !errors.Is(err, context.Canceled)
	if failed {
		fmt.Fprintln(os.Stderr, "linuxboot:", err)
	}
	if os.Getpid() == 1 {
		leave(failed)
	}
	if failed {
		os.Exit(1)
	}
}

// run is the init. What it cannot have it does without: an init must not die of its
// log.
func run(ctx context.Context, s settings, log *slog.Logger) error {
	if os.Getpid() == 1 {
		if err := mountAll(); err != nil {
			log.Warn("mount", "error", err)
		}
	}
	words, err := crashlog.Start(crashlog.Config{Directory: filepath.Join(s.state, "crash"), Name: "init"})
	if err != nil {
		log.Warn("no crash log", "error", err)
	} else {
		defer words.Close()
	}
	k, err := openKeeper(filepath.Join(s.state, "records"))
	if err != nil {
		return err
	}
	if words != nil {
		k.takeCrashes(words, log)
	}
	k.takePstore(os.DirFS(s.pstore), log)

	pump := export.Pump{Source: k, Exporter: export.Slog{Logger: log}}
	if _, err := pump.Once(ctx); err != nil { // what there was before the service begins
		log.Warn("export records", "error", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pumped := make(chan struct{})
	go func() { pump.Run(ctx, time.Second); close(pumped) }()
	if err := k.serve(ctx, s, log); err != nil {
		log.Warn("serve records", "error", err)
	}
	err = k.supervise(ctx, s)
	cancel()
	<-pumped // a pump is for one goroutine
	if _, e := pump.Once(context.WithoutCancel(ctx)); e != nil {
		log.Warn("export records", "error", e)
	}
	return err
}

// serve offers the records over HTTP and at a line, until ctx ends.
func (k *keeper) serve(ctx context.Context, s settings, log *slog.Logger) error {
	if s.console != "" {
		line, err := os.OpenFile(s.console, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { line.Close() })
		go console.Serve(ctx, line, console.Config{Source: k, Acknowledger: k, Prompt: "records> ", Echo: true})
	}
	if s.listen != "" {
		server := &http.Server{Addr: s.listen, ReadHeaderTimeout: 10 * time.Second,
			Handler: http.StripPrefix("/records", recordhttp.Handler(recordhttp.Options{Source: k, Acknowledger: k}))}
		context.AfterFunc(ctx, func() { server.Close() })
		go func() {
			if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				log.Warn("serve records", "error", err)
			}
		}()
	}
	return nil
}
