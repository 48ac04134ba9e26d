package recordhttp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/listing"
	"github.com/seed64aab995/rescuekernel/record/recordhttp"
)

var now = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

func area(t testing.TB) *record.Area {
	t.Helper()
	layout := record.DefaultLayout()
	a, err := record.Format(make([]byte, layout.Size()), layout, record.ID{0x5f})
	require.NoError(t, err)
	add(t, a, "torn")
	return a
}

func add(t testing.TB, a *record.Area, message string) {
	t.Helper()
	task, err := a.Source("task")
	require.NoError(t, err)
	_, err = a.Add(task, &record.Record{Class: record.ClassTaskPanic, Time: now.Add(-time.Minute).UnixNano(), Source: "ledger", CPU: record.NoCPU, Message: message})
	require.NoError(t, err)
}

func serve(t testing.TB, o recordhttp.Options) *httptest.Server {
	t.Helper()
	o.Now = func() time.Time { return now }
	server := httptest.NewServer(http.StripPrefix("/debug/records", recordhttp.Handler(o)))
	t.Cleanup(server.Close)
	return server
}

func ask(t testing.TB, server *httptest.Server, method, path string) (status int, header http.Header, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/debug/records"+path, nil)
	require.NoError(t, err)
	response, err := server.Client().Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header, string(all)
}

func TestHandler(t *testing.T) {
	t.Parallel()
	const id = "5f000000000000000000000000000000"
	for name, c := range map[string]struct {
		method, path string
		status       int
		want         string
	}{
		"all":               {"GET", "/", 200, `"message":"torn"`},
		"class":             {"GET", "/?class=task.fault&since=2m", 200, `"source":"ledger"`},
		"none":              {"GET", "/?class=host.fault", 200, ""},
		"text":              {"GET", "/?format=text&class=task", 200, "5f000000    2  2026-11-21T22:59:00.000Z  task.fault.panic  ledger  torn\n"},
		"unknown key":       {"GET", "/?colour=red", 400, "the keys are class"},
		"twice":             {"GET", "/?class=a&class=b", 400, "2 times"},
		"unknown format":    {"GET", "/?format=xml", 400, `want json or text`},
		"bad follow":        {"GET", "/?follow=maybe", 400, "maybe"},
		"state":             {"GET", "/state", 200, `"name":"task","slots":8,"used":1,"lost":0`},
		"acknowledge":       {"POST", "/acknowledge?restart=" + id + "&sequence=2", 200, `{"freed":2}`},
		"another restart":   {"POST", "/acknowledge?restart=" + id[:30] + "01&sequence=2", 200, `{"freed":0}`},
		"short restart":     {"POST", "/acknowledge?restart=5f&sequence=2", 400, "all 32 digits"},
		"long restart":      {"POST", "/acknowledge?restart=" + id + "00&sequence=2", 400, "all 32 digits"},
		"no restart":        {"POST", "/acknowledge?sequence=2", 400, "all 32 digits"},
		"not digits":        {"POST", "/acknowledge?restart=zz&sequence=2", 400, "invalid byte"},
		"no sequence":       {"POST", "/acknowledge?restart=" + id, 400, "invalid syntax"},
		"with a condition":  {"POST", "/acknowledge?restart=" + id + "&sequence=2&class=task", 400, "without conditions"},
		"read acknowledges": {"GET", "/acknowledge?restart=" + id + "&sequence=2", 405, ""},
		"post to list":      {"POST", "/", 405, ""},
		"elsewhere":         {"GET", "/etc", 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := area(t)
			status, header, body := ask(t, serve(t, recordhttp.Options{Source: a, Acknowledger: a}), c.method, c.path)
			require.Equal(t, c.status, status, body)
			require.Contains(t, body, c.want)
			if name == "none" {
				require.Empty(t, body)
				require.Equal(t, "application/x-ndjson", header.Get("Content-Type"))
				require.Equal(t, "0", header.Get("X-Records-Torn"))
			}
			if c.status == 400 {
				var e struct{ Error string }
				require.NoError(t, json.Unmarshal([]byte(body), &e))
				require.NotEmpty(t, e.Error)
			}
		})
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	a := area(t)
	status, _, body := ask(t, serve(t, recordhttp.Options{Source: a}), "POST", "/acknowledge?restart=5f000000000000000000000000000000&sequence=2")
	require.Equal(t, 405, status)
	require.Contains(t, body, "not acknowledged here")
	contents, err := a.Contents()
	require.NoError(t, err)
	require.Len(t, contents.Records, 2)
}

func TestSourceFails(t *testing.T) {
	t.Parallel()
	server := serve(t, recordhttp.Options{Source: listing.SourceFunc(func() (*record.Contents, error) { return nil, errors.New("busy") })})
	for _, path := range []string{"/", "/state"} {
		status, _, body := ask(t, server, "GET", path)
		require.Equal(t, 503, status)
		require.JSONEq(t, `{"error":"busy"}`, body)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	a := area(t)
	server := serve(t, recordhttp.Options{Source: a, Interval: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/debug/records/?follow=true&class=task", nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "text/plain")
	response, err := server.Client().Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	for _, message := range []string{"torn", "torn again", "and again"} {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, message)
		add(t, a, map[string]string{"torn": "torn again", "torn again": "and again", "and again": "last"}[message])
	}
	cancel()
	_, err = io.ReadAll(lines)
	require.Error(t, err)
}
