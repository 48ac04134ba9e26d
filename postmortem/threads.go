package postmortem

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed64aab995/rescuekernel/symbols"
)

// NoCPU is Thread.CPU of a thread that ran on none (FreeBSD's NOCPU).
const NoCPU = -1

// Thread is one thread of a FreeBSD kernel.
type Thread struct {
	ID      int32  // td_tid
	PID     int32  // of its process
	Process string // p_comm
	Name    string // td_name
	CPU     int32  // td_oncpu, or NoCPU
	Crashed bool   // it made the dump (dumptid)
	Address uint64 // of its struct thread
	PCB     uint64 // where its registers were saved

	Registers Registers // empty where Err says why
	Err       error     // what of the thread could not be read
}

// Title names a thread as "process" or "process/thread", where they differ.
func (t *Thread) Title() string {
	if t.Name == "" || t.Name == t.Process {
		return t.Process
	}
	return t.Process + "/" + t.Name
}

// ThreadList is the threads of a kernel: the crashed one first, the others as
// the kernel's list of processes has them.
type ThreadList struct {
	Threads  []Thread
	Problems []error // parts of the lists that could not be followed
}

// maxThreads bounds processes and threads together; FreeBSD's own limit of
// threads is 32 bits wide, real systems have thousands.
const maxThreads = 1 << 20

// nameSize is sizeof p_comm and td_name: MAXCOMLEN + 1 (sys/param.h).
const nameSize = 20

// layout is what a kernel tells of its structures.
type layout struct {
	processNext, processID, processName, processThreads int32
	threadNext, threadID, threadName, threadCPU         int32
	threadPCB, pcbSize, dumpThread                      int32
	processes, dumpPCB                                  uint64 // addresses of allproc and dumppcb
	pcb                                                 pcbLayout
}

// Threads lists the threads of a FreeBSD kernel. It fails only where the
// kernel's description of itself is not there.
func (k *Kernel) Threads() (*ThreadList, error) {
	if err := k.supported(); err != nil {
		return nil, err
	}
	l, err := k.readLayout()
	if err != nil {
		return nil, err
	}
	w := &threadWalk{kernel: k, layout: l, seen: map[uint64]bool{}}
	w.walk()
	return &ThreadList{Threads: append(w.crashed, w.others...), Problems: w.problems}, nil
}

// readLayout reads FreeBSD's variables for debuggers (sys/kern/kern_proc.c,
// kern_thread.c, kern_shutdown.c). The structure offsets change with every
// release; these variables and the names are what is kept.
func (k *Kernel) readLayout() (*layout, error) {
	l := &layout{}
	variables := []struct {
		name string
		to   *int32
	}{
		{"proc_off_p_list", &l.processNext}, {"proc_off_p_pid", &l.processID},
		{"proc_off_p_comm", &l.processName}, {"proc_off_p_threads", &l.processThreads},
		{"thread_off_td_plist", &l.threadNext}, {"thread_off_td_tid", &l.threadID},
		{"thread_off_td_name", &l.threadName}, {"thread_off_td_oncpu", &l.threadCPU},
		{"thread_off_td_pcb", &l.threadPCB}, {"pcb_size", &l.pcbSize}, {"dumptid", &l.dumpThread},
	}
	addresses := []struct {
		name string
		to   *uint64
	}{{"allproc", &l.processes}, {"dumppcb", &l.dumpPCB}}
	var missing []string
	find := func(name string) symbols.Symbol {
		s, ok := k.Symbols.Lookup(name)
		if !ok {
			missing = append(missing, name)
		}
		return s
	}
	at := make([]uint64, len(variables))
	for i, v := range variables {
		at[i] = find(v.name).Address
	}
	for _, a := range addresses {
		*a.to = find(a.name).Address
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w: no %s", ErrNotFreeBSD, strings.Join(missing, ", "))
	}
	for i, v := range variables {
		value, err := k.variable(at[i], v.name)
		if err != nil {
			return nil, err
		}
		*v.to = value
	}
	l.pcb = k.pcbLayout(l.pcbSize)
	return l, l.check()
}

// variable reads an int variable from the dump, or, where the dump lacks the
// page, from the kernel's file: what is needed here never changes at run time,
// except dumptid, which is zero in the file and then matches no thread.
func (k *Kernel) variable(address uint64, name string) (int32, error) {
	value, err := k.int32(address, name)
	if err == nil {
		return value, nil
	}
	image := &Kernel{Memory: k.Symbols, Architecture: k.Architecture}
	if value, imageErr := image.int32(address, name); imageErr == nil {
		return value, nil
	}
	return 0, err
}

// check refuses offsets that no structure has, as a kernel file of another
// build gives.
func (l *layout) check() error {
	const maxOffset = 1 << 16
	for _, offset := range []int32{l.processNext, l.processID, l.processName, l.processThreads,
		l.threadNext, l.threadID, l.threadName, l.threadCPU, l.threadPCB, l.pcbSize} {
		if offset < 0 || offset > maxOffset {
			return fmt.Errorf("offset %d in a kernel structure: is this the right kernel?: %w", offset, ErrDamaged)
		}
	}
	if int(l.pcbSize) < 8*len(l.pcb) || l.processThreads == l.processNext || l.threadPCB == l.threadNext {
		return fmt.Errorf("pcb_size %d, p_threads at %d, td_plist at %d: is this the right kernel?: %w",
			l.pcbSize, l.processThreads, l.threadNext, ErrDamaged)
	}
	return nil
}

// threadWalk is one walk over all lists.
type threadWalk struct {
	kernel   *Kernel
	layout   *layout
	seen     map[uint64]bool // structures visited
	crashed  []Thread
	others   []Thread
	problems []error
}

// errStop ends a walk whose reason is in problems already.
var errStop = errors.New("stop")

func (w *threadWalk) problem(err error) { w.problems = append(w.problems, err) }

// list visits the structures of a singly linked list whose head is a pointer
// at head and whose next pointers are offset bytes into each.
func (w *threadWalk) list(head uint64, offset int32, what string, visit func(address uint64) error) error {
	for at, name := head, what+" list"; ; {
		next, err := w.kernel.uint64(at, name)
		if err != nil {
			w.problem(err)
			return nil
		}
		if next == 0 {
			return nil
		}
		switch {
		case next%8 != 0:
			w.problem(fmt.Errorf("%s at %#x: next is %#x: %w", name, at, next, ErrDamaged))
			return nil
		case w.seen[next]:
			w.problem(fmt.Errorf("%s at %#x: comes back to %#x: %w", name, at, next, ErrDamaged))
			return nil
		case len(w.seen) >= maxThreads:
			w.problem(fmt.Errorf("%s at %#x: more than %d processes and threads: %w", name, at, maxThreads, ErrDamaged))
			return errStop
		}
		w.seen[next] = true
		if err := visit(next); err != nil {
			return err
		}
		at, name = next+uint64(offset), "next "+what
	}
}

func (w *threadWalk) walk() {
	l := w.layout
	_ = w.list(l.processes, l.processNext, "process", func(process uint64) error {
		pid, err := w.kernel.int32(process+uint64(l.processID), "p_pid")
		if err != nil {
			w.problem(err)
		}
		name, err := w.kernel.text(process+uint64(l.processName), nameSize, "p_comm")
		if err != nil {
			w.problem(err)
		}
		return w.list(process+uint64(l.processThreads), l.threadNext, "thread", func(address uint64) error {
			t := w.thread(address)
			t.PID, t.Process = pid, name
			if t.Crashed {
				w.crashed = append(w.crashed, t)
			} else {
				w.others = append(w.others, t)
			}
			return nil
		})
	})
}

// thread reads one struct thread and the registers that belong to it: those
// of the crash in dumppcb, those of a thread that was on a CPU in stoppcbs,
// those of a waiting thread in its own pcb.
func (w *threadWalk) thread(address uint64) Thread {
	k, l := w.kernel, w.layout
	t := Thread{Address: address, CPU: NoCPU}
	var errs [5]error
	t.ID, errs[0] = k.int32(address+uint64(l.threadID), "td_tid")
	t.Name, errs[1] = k.text(address+uint64(l.threadName), nameSize, "td_name")
	cpu, err := k.int32(address+uint64(l.threadCPU), "td_oncpu")
	if errs[2] = err; err == nil {
		t.CPU = cpu
	}
	switch t.Crashed = errs[0] == nil && t.ID != 0 && t.ID == l.dumpThread; {
	case t.Crashed:
		t.PCB = l.dumpPCB
	case t.CPU != NoCPU:
		t.PCB, errs[3] = k.stopPCB(t.CPU, l.pcbSize)
	default:
		t.PCB, errs[3] = k.uint64(address+uint64(l.threadPCB), "td_pcb")
	}
	if errs[3] == nil {
		t.Registers, errs[4] = k.readPCB(l.pcb, t.PCB)
	}
	t.Err = errors.Join(errs[:]...)
	return t
}
