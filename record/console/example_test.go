package console_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/console"
)

// A line at which one command is typed.
func Example() {
	layout := record.DefaultLayout()
	area, err := record.Format(make([]byte, layout.Size()), layout, record.ID{0x5f})
	if err != nil {
		fmt.Println(err)
		return
	}
	line := readWriter{strings.NewReader("records class=host.fault\n"), os.Stdout}
	if err := console.Serve(context.Background(), line, console.Config{Source: area}); err != nil {
		fmt.Println(err)
	}
	// Output: no such records
}

type readWriter struct {
	*strings.Reader
	out *os.File
}

func (l readWriter) Write(p []byte) (int, error) { return l.out.Write(p) }
