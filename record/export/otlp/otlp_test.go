package otlp_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/sdk/resource"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/export"
	"github.com/seed64aab995/rescuekernel/record/export/otlp"
)

// endpoint is a collector's logs endpoint on the loopback interface: it takes OTLP
// over HTTP as the protocol's specification says, and refuses the first few.
type endpoint struct {
	url string

	mutex    sync.Mutex
	refuse   int
	reject   int64 // records of each request that it takes and does not keep
	requests []*collector.ExportLogsServiceRequest
}

func newEndpoint(t testing.TB, refuse int) *endpoint {
	t.Helper()
	e := &endpoint{refuse: refuse}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: e}
	ended := make(chan struct{})
	go func() { server.Serve(listener); close(ended) }()
	t.Cleanup(func() { server.Close(); <-ended })
	e.url = "http://" + listener.Addr().String() + "/v1/logs"
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/logs" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.refuse > 0 {
		e.refuse--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(r.Body)
	request := &collector.ExportLogsServiceRequest{}
	if err != nil || proto.Unmarshal(body, request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.requests = append(e.requests, request)
	response := &collector.ExportLogsServiceResponse{}
	if e.reject > 0 {
		response.PartialSuccess = &collector.ExportLogsPartialSuccess{RejectedLogRecords: e.reject, ErrorMessage: "no room"}
	}
	answer, _ := proto.Marshal(response)
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Write(answer)
}

// records are all that the endpoint was sent.
func (e *endpoint) records() (list []*logs.LogRecord) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for _, q := range e.requests {
		for _, r := range q.ResourceLogs {
			for _, s := range r.ScopeLogs {
				list = append(list, s.LogRecords...)
			}
		}
	}
	return list
}

func newExporter(t testing.TB, c otlp.Config) *otlp.Exporter {
	t.Helper()
	c.Resource = resource.NewSchemaless(attribute.String("service.name", "ledger"))
	e, err := otlp.New(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close(context.Background())) })
	return e
}

func attributes(list []*common.KeyValue) map[string]any {
	m := map[string]any{}
	for _, kv := range list {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			m[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			m[kv.Key] = v.IntValue
		case *common.AnyValue_BoolValue:
			m[kv.Key] = v.BoolValue
		}
	}
	return m
}

func TestExport(t *testing.T) {
	t.Parallel()
	to := newEndpoint(t, 0)
	e := newExporter(t, otlp.Config{Endpoint: to.url})
	at := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)
	for _, r := range []record.Record{
		{Class: record.ClassPage, Source: "host", Sequence: 7, RestartID: record.ID{0x5f}, Time: at.UnixNano(), CPU: 3, Message: "page fault", FaultAddress: 0xdead, Uptime: 1<<64 - 1},
		{Class: record.ClassTaskPanic, Source: "ledger", CPU: record.NoCPU, Trace: "main.add"},
		{Class: record.ClassLoss, Count: record.UnknownCount, CPU: record.NoCPU, Message: "lost"},
	} {
		require.NoError(t, e.Export(t.Context(), &r))
	}
	got := to.records()
	require.Len(t, got, 3)
	require.Equal(t, "ledger", attributes(to.requests[0].ResourceLogs[0].Resource.Attributes)["service.name"])
	require.Equal(t, "github.com/seed64aab995/rescuekernel/record", to.requests[0].ResourceLogs[0].ScopeLogs[0].Scope.Name)

	require.Equal(t, uint64(at.UnixNano()), got[0].TimeUnixNano)
	require.Equal(t, logs.SeverityNumber_SEVERITY_NUMBER_FATAL, got[0].SeverityNumber)
	require.Equal(t, "page fault", got[0].Body.GetStringValue())
	require.Equal(t, record.ClassPage, got[0].EventName)
	require.Equal(t, map[string]any{
		"record.class": record.ClassPage, "record.source": "host", "record.restart": "5f000000000000000000000000000000", "record.sequence": int64(7),
		"record.cpu": int64(3), "record.fault_address": "0xdead", "record.uptime_ns": "18446744073709551615",
		"exception.type": record.ClassPage, "exception.message": "page fault",
	}, attributes(got[0].Attributes))

	require.Equal(t, logs.SeverityNumber_SEVERITY_NUMBER_ERROR, got[1].SeverityNumber)
	require.Equal(t, "main.add", attributes(got[1].Attributes)["exception.stacktrace"])
	require.Equal(t, record.ClassTaskPanic, got[1].Body.GetStringValue())
	require.Zero(t, got[1].TimeUnixNano)

	require.Equal(t, logs.SeverityNumber_SEVERITY_NUMBER_WARN, got[2].SeverityNumber)
	require.Equal(t, true, attributes(got[2].Attributes)["record.count_unknown"])
	require.NotContains(t, attributes(got[2].Attributes), "exception.type")
}

func TestCollectorComesBack(t *testing.T) {
	t.Parallel()
	to := newEndpoint(t, 2)
	e := newExporter(t, otlp.Config{Endpoint: to.url, Timeout: time.Minute})
	require.NoError(t, e.Export(t.Context(), &record.Record{Class: record.ClassTaskPanic, CPU: record.NoCPU}))
	require.Len(t, to.records(), 1)
}

// TestCollectorStaysAway pumps records to where nobody listens: they stay.
func TestCollectorStaysAway(t *testing.T) {
	t.Parallel()
	layout := record.DefaultLayout()
	area, err := record.Format(make([]byte, layout.Size()), layout, record.ID{0x5f})
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	off := otlploghttp.WithRetry(otlploghttp.RetryConfig{})
	pump := export.Pump{Source: area, Acknowledger: area, Exporter: newExporter(t, otlp.Config{
		Endpoint: "http://" + listener.Addr().String() + "/v1/logs", Options: []otlploghttp.Option{off},
	})}
	moved, err := pump.Once(t.Context())
	require.Error(t, err)
	require.Zero(t, moved)
	contents, err := area.Contents()
	require.NoError(t, err)
	require.Len(t, contents.Records, 1)

	to := newEndpoint(t, 0)
	pump.Exporter = newExporter(t, otlp.Config{Endpoint: to.url})
	moved, err = pump.Once(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, moved)
	contents, err = area.Contents()
	require.NoError(t, err)
	require.Empty(t, contents.Records)
}

// TestPartialSuccess has a collector that accepts a request and rejects what is in it
// (OTLP's specification, "Partial Success"): the record has not arrived.
func TestPartialSuccess(t *testing.T) {
	t.Parallel()
	to := newEndpoint(t, 0)
	to.reject = 1
	e := newExporter(t, otlp.Config{Endpoint: to.url})
	require.ErrorContains(t, e.Export(t.Context(), &record.Record{Class: record.ClassTaskPanic, CPU: record.NoCPU}), "no room")
}

func TestClosed(t *testing.T) {
	t.Parallel()
	e, err := otlp.New(t.Context(), otlp.Config{Endpoint: newEndpoint(t, 0).url})
	require.NoError(t, err)
	require.NoError(t, e.Close(t.Context()))
	require.ErrorIs(t, e.Export(t.Context(), &record.Record{}), otlp.ErrNotSent)
}
