package export_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/export"
)

// A service logs what the instance before it died of.
func Example() {
	layout := record.DefaultLayout()
	area, err := record.Format(make([]byte, layout.Size()), layout, record.ID{0x5f})
	if err != nil {
		fmt.Println(err)
		return
	}
	pump := export.Pump{Source: area, Acknowledger: area, Exporter: export.Slog{Logger: slog.New(slog.NewTextHandler(os.Stdout, nil))}}
	moved, err := pump.Once(context.Background())
	fmt.Println(moved, err)
	// Output:
	// level=WARN msg="what was recorded before this boot is not known" class=record.loss source=record restart=5f000000000000000000000000000000 sequence=1 count_unknown=true
	// 1 <nil>
}
