//go:build unix

package qemu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/internal/ram"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// guest is a machine in QEMU.
type guest struct {
	options Options
	board   board
	config  machine.Config
	memory  *memory
	usable  physmem.Ranges

	firmware  firmware
	directory string // with system partition and variables, where it boots by UEFI

	mu      sync.Mutex // holds process still for NMI
	process *process   // nil: QEMU has ended
	closed  bool

	registers map[string]register
	selected  int          // the CPU that the GDB stub reads and sets
	ran       bool         // QEMU has executed something
	shut      bool         // the machine was shut down, and must be reset to run
	last      machine.Exit // how QEMU ended
}

var _ machine.Machine = (*guest)(nil)

// New makes a machine. It is stopped at its reset vector; firmware will load
// the boot image, if there is one.
func (o Options) New(config machine.Config) (machine.Machine, error) {
	m := &guest{config: config}
	if err := m.open(o); err != nil {
		return nil, fmt.Errorf("qemu: %w", errors.Join(err, m.Close()))
	}
	return m, nil
}

func (m *guest) open(o Options) error {
	var err error
	if m.options, m.board, err = o.complete(); err != nil {
		return err
	}
	if err := check(&m.config); err != nil {
		return err
	}
	if err := m.prepareFirmware(); err != nil {
		return err
	}
	file, usable := m.board.layout(m.config.MemorySize)
	m.usable = usable
	r, err := ram.New(file)
	if err != nil {
		return err
	}
	m.memory = &memory{RAM: r}
	return m.powerOn()
}

// powerOn starts QEMU over the RAM.
func (m *guest) powerOn() error {
	dir, err := os.MkdirTemp("", "qemu")
	if err != nil {
		return fmt.Errorf("make directory for boot files: %w", err)
	}
	defer os.RemoveAll(dir) // QEMU has read them when it answers
	arguments, err := m.arguments(dir)
	if err != nil {
		return err
	}
	p, err := start(m.options.Binary, arguments, m.memory.File(), m.config.Serial, newEvents(m.config.PanicEvent))
	if err != nil {
		return err
	}
	m.process, m.selected, m.shut, m.ran = p, -1, false, false
	if m.registers, err = p.gdb.registers(); err != nil {
		return err
	}
	return nil
}

// arguments are QEMU's, but for the connections. Boot files are written to dir.
func (m *guest) arguments(dir string) ([]string, error) {
	a := []string{
		"-machine", m.options.Board + ",memory-backend=ram", "-cpu", m.options.CPU, "-accel", m.options.Accelerator,
		"-smp", strconv.Itoa(m.config.CPUs), "-m", strconv.FormatUint(m.config.MemorySize>>10, 10) + "K",
		"-object", fmt.Sprintf("memory-backend-file,id=ram,share=on,size=%d,mem-path=%s3", m.config.MemorySize, descriptorDirectory),
	}
	boot := m.config.Boot
	if m.options.UEFI {
		a = append(a, m.firmwareArguments()...)
		boot = machine.Boot{}
	}
	files := []struct {
		option string
		data   []byte
	}{{"-kernel", boot.Image}}
	if len(boot.Modules) == 1 {
		files = append(files, struct {
			option string
			data   []byte
		}{"-initrd", boot.Modules[0].Data})
	}
	for _, f := range files {
		if f.data == nil {
			continue
		}
		path := filepath.Join(dir, f.option[1:])
		if err := os.WriteFile(path, f.data, 0o600); err != nil {
			return nil, fmt.Errorf("write boot file: %w", err)
		}
		a = append(a, f.option, path)
	}
	if boot.CommandLine != "" {
		a = append(a, "-append", boot.CommandLine)
	}
	disks, err := m.board.diskArguments(m.config.Disks)
	if err != nil {
		return nil, err
	}
	return append(append(append(a, m.board.devices...), disks...), m.options.Arguments...), nil
}

// diskArguments are virtio disks of files.
func (b board) diskArguments(disks []machine.Disk) ([]string, error) {
	var a []string
	for i, d := range disks {
		f, ok := d.Storage.(*os.File)
		if !ok {
			return nil, fmt.Errorf("disk %d whose storage is no file: %w", i, machine.ErrUnsupported)
		}
		a = append(a,
			"-drive", fmt.Sprintf("if=none,id=disk%d,format=raw,file.locking=off,file.filename=%s,readonly=%s", i, f.Name(), map[bool]string{false: "off", true: "on"}[d.ReadOnly]),
			"-device", fmt.Sprintf("%s,drive=disk%d,serial=%s", b.disk, i, d.Name))
	}
	return a, nil
}

// Architecture is the board's.
func (m *guest) Architecture() machine.Architecture { return m.options.Architecture }

// RAM is what the guest sees as RAM.
func (m *guest) RAM() physmem.Ranges { return m.usable }

// Memory is the board's RAM. It is also a physmem.Viewer.
func (m *guest) Memory() physmem.Memory { return m.memory }

// CPUs is the number of CPUs.
func (m *guest) CPUs() int { return m.config.CPUs }

// live is the QEMU, while there is one.
func (m *guest) live() (*process, error) {
	if m.closed {
		return nil, machine.ErrClosed
	}
	if m.process == nil {
		return nil, fmt.Errorf("qemu: QEMU has ended (%v): %w", m.last.Reason, machine.ErrUnsupported)
	}
	return m.process, nil
}

// NMI sends an NMI to a CPU. QEMU knows it on amd64 only.
func (m *guest) NMI(cpu int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.live()
	if err != nil {
		return err
	}
	// QEMU sends it to the CPU that the monitor has chosen.
	if _, err := p.qmp.monitor(fmt.Sprintf("cpu %d", cpu), cpu); err != nil {
		return fmt.Errorf("qemu: %w", err)
	}
	answer, err := p.qmp.monitor("nmi", cpu)
	if err != nil || answer != "" {
		return fmt.Errorf("qemu: NMI: %s: %w", answer, errors.Join(err, machine.ErrUnsupported))
	}
	return nil
}

// Reset starts QEMU again over the same RAM. Firmware loads the boot image
// again.
func (m *guest) Reset() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return machine.ErrClosed
	}
	if err := m.endProcess(); err != nil {
		return fmt.Errorf("qemu: reset: %w", err)
	}
	if err := m.powerOn(); err != nil {
		return fmt.Errorf("qemu: reset: %w", err)
	}
	return nil
}

// Snapshot copies the machine. After a debug exit there are no CPUs to copy.
func (m *guest) Snapshot() (*machine.Snapshot, error) {
	if m.closed {
		return nil, machine.ErrClosed
	}
	return machine.TakeSnapshot(m, m.memory.Populated())
}

func (m *guest) endProcess() error {
	if m.process == nil {
		return nil
	}
	p := m.process
	m.process = nil
	return p.close()
}

// Close ends QEMU and frees the RAM.
func (m *guest) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	err := errors.Join(m.endProcess(), m.removeFirmware())
	if m.memory != nil {
		err = errors.Join(err, m.memory.Close())
	}
	return err
}
