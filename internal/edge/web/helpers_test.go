package web_test

import (
	"net/http/httptest"
	"os"
	"testing"
)

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// page asks for a page without a network.
func (w *world) page(t testing.TB, path string) (int, string) {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	r.Host = w.url[len("http://"):]
	out := httptest.NewRecorder()
	w.gateway.REST.ServeHTTP(out, r)
	return out.Code, out.Body.String()
}
