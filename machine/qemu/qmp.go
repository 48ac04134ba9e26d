package qemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// qmp is a client of the QEMU Machine Protocol (QEMU docs/interop/qmp-spec.txt).
type qmp struct {
	conn    io.ReadWriteCloser
	encoder *json.Encoder
	answers chan qmpMessage
	ended   chan struct{}    // closed when QEMU has hung up
	event   func(qmpMessage) // called by the reading goroutine

	mu sync.Mutex // one command at a time
}

// qmpMessage is any message that QEMU sends.
type qmpMessage struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
	QMP   json.RawMessage `json:"QMP"`
}

// errQMP says that QEMU refused a command.
var errQMP = errors.New("QEMU refuses")

func newQMP(conn io.ReadWriteCloser, event func(qmpMessage)) *qmp {
	q := &qmp{conn: conn, encoder: json.NewEncoder(conn), answers: make(chan qmpMessage, 1), ended: make(chan struct{}), event: event}
	go q.receive()
	return q
}

func (q *qmp) receive() {
	defer close(q.ended)
	defer close(q.answers)
	decoder := json.NewDecoder(q.conn)
	for {
		var m qmpMessage
		if err := decoder.Decode(&m); err != nil {
			return
		}
		switch {
		case m.Event != "":
			q.event(m)
		case m.QMP != nil: // the greeting
		default:
			q.answers <- m
		}
	}
}

// do executes a command. result, if not nil, takes what it returns.
func (q *qmp) do(command string, arguments, result any) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	err := q.encoder.Encode(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
	}{command, arguments})
	if err != nil {
		return fmt.Errorf("send %s to QEMU: %w", command, err)
	}
	select {
	case m, ok := <-q.answers:
		switch {
		case !ok:
			return fmt.Errorf("%s: the QMP connection ended", command)
		case m.Error != nil:
			return fmt.Errorf("%w %s: %s", errQMP, command, m.Error.Desc)
		case result != nil:
			if err := json.Unmarshal(m.Return, result); err != nil {
				return fmt.Errorf("answer to %s: %w", command, err)
			}
		}
		return nil
	case <-time.After(replyTime):
		return fmt.Errorf("%s: no answer from QEMU", command)
	}
}

// settle waits until every event that QEMU has told so far was taken. A QEMU
// that has ended tells no more.
func (q *qmp) settle() {
	if q.do("query-status", nil, nil) == nil { // events come before its answer
		return
	}
	select {
	case <-q.ended:
	case <-time.After(replyTime):
	}
}

// monitor executes a command of the human monitor for a CPU.
func (q *qmp) monitor(command string, cpu int) (string, error) {
	var text string
	err := q.do("human-monitor-command", map[string]any{"command-line": command, "cpu-index": cpu}, &text)
	return text, err
}
