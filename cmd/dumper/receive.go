package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/serial"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/minidump"
)

// maxLostShown is how many lost ranges are told.
const maxLostShown = 64

// receiving is what receive was asked for.
type receiving struct {
	source, output, text, notes string
	verbose, asJSON, force      bool
	idle                        time.Duration
}

func newReceive(p *program) *cobra.Command {
	var o receiving
	c := &cobra.Command{
		Use:   "receive TTY|FILE -o DUMP",
		Short: "Take a dump that comes over a serial line",
		Long: `Receive reads what comes over a serial line, from the line itself or from a file
that a console was logged to, takes the frames of a dump out of it, and writes
the dump. It ends with the dump's last frame, at the end of FILE, after --idle
without a byte, or when it is interrupted; what has come is kept.

A line must let all eight bits through: receive puts a terminal into raw mode,
and stty sets its speed. What was lost on the way is zero in DUMP and listed;
the exit code is then 5. DUMP is compressed as the rescue program sent it, and
every dumper command reads it.

Text between the frames, the console's, goes to standard error with -v, and to
the file that --text names.`,
		Example: `  stty -F /dev/ttyUSB0 115200; dumper receive /dev/ttyUSB0 -o vmcore.zst
  dumper receive -v console.log -o vmcore.zst`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if o.output == "" {
				return usagef("receive needs -o DUMP")
			}
			o.source = args[0]
			return p.receive(c.Context(), &o)
		},
	}
	flags := c.Flags()
	flags.StringVarP(&o.output, "output", "o", "", "the `file` for the dump")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "show the text between the frames")
	flags.StringVar(&o.text, "text", "", "`file` for the text between the frames")
	flags.StringVar(&o.notes, "notes", "", "`file` for the dump notes that were sent ahead of the dump")
	flags.BoolVar(&o.force, "force", false, "write over DUMP if it is there")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON")
	flags.DurationVar(&o.idle, "idle", 0, "end after so long without a byte (0: never)")
	return c
}

// receive opens everything and copies.
func (p *program) receive(ctx context.Context, o *receiving) (err error) {
	line, end, err := p.openLine(o.source)
	if err != nil {
		return err
	}
	defer end()
	mode := os.O_CREATE | os.O_EXCL | os.O_RDWR
	if o.force {
		mode = os.O_CREATE | os.O_TRUNC | os.O_RDWR
	}
	output, err := os.OpenFile(o.output, mode, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, output.Close()) }()
	text := io.Discard
	if o.verbose {
		text = &safeText{p.errors}
	}
	if o.text != "" {
		file, err := os.Create(o.text)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		text = io.MultiWriter(text, file)
	}
	receiver := serial.NewReceiver(output, text)
	copyErr := p.copyLine(ctx, line, receiver, o.idle)
	report, err := receiver.Finish()
	if err == nil {
		err = output.Truncate(report.Size)
	}
	if err != nil {
		return &outputError{err}
	}
	if copyErr != nil {
		return copyErr
	}
	if !receiver.Started() {
		return fmt.Errorf("%s: no frame of a dump came: %w", o.source, minidump.ErrNotDump)
	}
	if err := saveNotes(o, report); err != nil {
		return err
	}
	return p.showReceived(o, report)
}

// openLine opens a file or a terminal, which is put into raw mode until end is
// called.
func (p *program) openLine(name string) (line io.Reader, end func(), err error) {
	if name == "-" {
		return p.in, func() {}, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	fd := int(file.Fd())
	if !term.IsTerminal(fd) {
		return file, func() { _ = file.Close() }, nil
	}
	old, err := term.MakeRaw(fd)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: raw mode: %w", name, err), file.Close())
	}
	return file, func() {
		_ = term.Restore(fd, old)
		_ = file.Close() // blocks on some systems while somebody reads
	}, nil
}

// copyLine feeds the receiver until the dump or the line ends. Whoever reads a
// silent line cannot be stopped, so another goroutine does.
func (p *program) copyLine(ctx context.Context, line io.Reader, r *serial.Receiver, idle time.Duration) error {
	pieces, free := make(chan []byte), make(chan []byte, 1)
	failed := make(chan error, 1)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := line.Read(buffer)
			select {
			case pieces <- buffer[:n]:
				buffer = <-free
			case <-stop:
				return
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	progress := p.progress("receive")
	defer progress.end()
	var silence <-chan time.Time
	for !r.Done() {
		if idle > 0 {
			silence = time.After(idle)
		}
		select {
		case piece := <-pieces:
			if _, err := r.Write(piece); err != nil {
				return &outputError{err}
			}
			free <- piece[:cap(piece)]
			progress.update(r.Received(), -1)
		case err := <-failed:
			if err == io.EOF {
				return nil
			}
			return err
		case <-silence:
			return nil
		case <-ctx.Done():
			p.warn("interrupted: what came is kept")
			return nil
		}
	}
	return nil
}

// safeText keeps a console's text from doing things to the terminal.
type safeText struct{ w io.Writer }

func (s *safeText) Write(p []byte) (int, error) {
	if _, err := fmt.Fprintf(s.w, "| %s\n", printable(trimLine(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func trimLine(p []byte) []byte {
	for len(p) > 0 && (p[len(p)-1] == '\n' || p[len(p)-1] == '\r') {
		p = p[:len(p)-1]
	}
	return p
}

// saveNotes writes the dump notes that came ahead of the dump.
func saveNotes(o *receiving, r *serial.Report) error {
	for _, s := range r.Sections {
		if o.notes != "" && target.Kind(s.Kind) == target.KindNotes && !s.Damaged {
			return os.WriteFile(o.notes, s.Data, 0o600)
		}
	}
	return nil
}

// receivedFact is what receive tells. The JSON keys are stable.
type receivedFact struct {
	Output     string      `json:"output"`
	Size       int64       `json:"size"`
	Complete   bool        `json:"complete"`
	EndSeen    bool        `json:"end_seen"`
	Whole      bool        `json:"whole"`
	Lost       []lostRange `json:"lost"`
	LostBytes  int64       `json:"lost_bytes"`
	LostFrames uint64      `json:"lost_frames"`
	Damaged    uint64      `json:"damaged_frames"`
	Frames     uint64      `json:"frames"`
	Garbage    uint64      `json:"garbage_bytes"`
	Host       string      `json:"host"`
	Panic      string      `json:"panic"`
	Time       uint64      `json:"time"`
}

type lostRange struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

func (p *program) showReceived(o *receiving, r *serial.Report) error {
	fact := receivedFact{Output: o.output, Size: r.Size, Complete: r.Complete(), EndSeen: r.EndSeen, Whole: r.Whole, Lost: []lostRange{},
		LostBytes: r.LostBytes(), LostFrames: r.LostFrames, Damaged: r.Damaged, Frames: r.Frames, Garbage: r.Garbage}
	for _, l := range r.Lost {
		fact.Lost = append(fact.Lost, lostRange{l.Start, l.End})
	}
	if h, err := kerneldump.ParseHeader(r.Header); err == nil {
		fact.Host, fact.Panic, fact.Time = h.HostName, h.PanicString, h.Time
	}
	if o.asJSON {
		if err := p.json(fact); err != nil {
			return err
		}
	} else {
		p.describeReceived(&fact, r)
	}
	if r.Mismatch {
		return verdict(exitDamaged)
	}
	if !fact.Complete {
		return verdict(exitIncomplete)
	}
	return nil
}

func (p *program) describeReceived(f *receivedFact, r *serial.Report) {
	what := size(f.Size) + " of dump"
	if f.Panic != "" {
		what += fmt.Sprintf(" (panic: %s)", printable(f.Panic))
	}
	p.printf("%s: %s in %s\n", f.Output, what, plural(f.Frames, "frame"))
	for i, l := range f.Lost {
		if i == maxLostShown {
			p.printf("and %d more\n", uint64(len(f.Lost)-i)+r.LostOmitted)
			break
		}
		p.printf("lost: [%#x, %#x), %s\n", l.Start, l.End, size(l.End-l.Start))
	}
	switch {
	case r.Mismatch:
		p.printf("damaged: all came, and the checksum of the whole is wrong\n")
	case !f.EndSeen:
		p.printf("incomplete: the end did not come\n")
	case !f.Whole:
		p.printf("incomplete: the sender says that the dump was cut\n")
	case f.LostBytes > 0:
		p.printf("incomplete: %s lost\n", size(f.LostBytes))
	}
}
