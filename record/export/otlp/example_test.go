package otlp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/export/otlp"
)

// A record goes to a collector, which here is one that takes all.
func Example() {
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path)
	}))
	defer collector.Close()
	ctx := context.Background()
	exporter, err := otlp.New(ctx, otlp.Config{Endpoint: collector.URL + "/v1/logs"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer exporter.Close(ctx)
	fmt.Println(exporter.Export(ctx, &record.Record{Class: record.ClassTaskPanic, Message: "torn", CPU: record.NoCPU}))
	// Output:
	// POST /v1/logs
	// <nil>
}
