package sandbox_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/sandbox"
)

// example stands for the *testing.T of a test.
type example struct{ after []func() }

func (*example) Helper()                           {}
func (e *example) Cleanup(f func())                { e.after = append(e.after, f) }
func (*example) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (e *example) end() {
	http.DefaultClient.CloseIdleConnections()
	for _, f := range e.after {
		f()
	}
}

func ExampleNew() {
	t := &example{} // the *testing.T of a test
	defer t.end()
	s := sandbox.New(t, sandbox.World{})
	res, err := s.Client().Get(s.URL + "/v1/apps?limit=1")
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer res.Body.Close()
	for _, r := range s.Requests() {
		fmt.Println(r.Method, r.Path, r.Query, r.Status)
	}
	// Output: GET /v1/apps limit=1 200
}

func ExampleSandbox_AddFault() {
	t := &example{} // the *testing.T of a test
	defer t.end()
	s := sandbox.New(t, sandbox.World{})
	s.AddFault(sandbox.Fault{Path: "/v1/**", Status: 503, Count: 1})
	for range 2 {
		res, err := s.Client().Get(s.URL + "/v1/apps")
		if err != nil {
			t.Fatalf("%v", err)
		}
		res.Body.Close()
		fmt.Println(res.StatusCode)
	}
	// Output:
	// 503
	// 200
}

func ExampleSandbox_Act() {
	t := &example{} // the *testing.T of a test
	defer t.end()
	s := sandbox.New(t, sandbox.World{Times: sandbox.Times{Device: time.Hour}})
	res, err := s.Client().Post(s.URL+"/v1/devices", "application/json", strings.NewReader(`{"data": {"type": "devices",
		"attributes": {"name": "Phone", "platform": "IOS", "udid": "00008020-000000000000ABCD"}}}`))
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer res.Body.Close()
	devices := s.IDs("devices")
	err = s.Act(sandbox.Act{Type: "devices", ID: devices[len(devices)-1], Do: "enable"})
	fmt.Println(res.StatusCode == http.StatusCreated, err)
	// Output: true <nil>
}

func ExampleSandbox_SetClock() {
	t := &example{} // the *testing.T of a test
	defer t.end()
	s := sandbox.New(t, sandbox.World{})
	before := s.Now()
	s.SetClock(24*time.Hour, 0)
	fmt.Println(s.Now().Sub(before) >= 24*time.Hour)
	// Output: true
}
