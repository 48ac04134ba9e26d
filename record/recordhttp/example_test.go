package recordhttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/recordhttp"
)

// A service mounts its records beside its other debugging pages.
func Example() {
	layout := record.DefaultLayout()
	area, err := record.Format(make([]byte, layout.Size()), layout, record.ID{0x5f})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/records/", http.StripPrefix("/debug/records", recordhttp.Handler(recordhttp.Options{Source: area, Acknowledger: area})))

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest("POST", "/debug/records/acknowledge?restart=5f000000000000000000000000000000&sequence=1", nil))
	fmt.Print(answer.Code, " ", answer.Body)
	// Output: 200 {"freed":1}
}
