package door

import (
	"net/http"
	"testing"
)

func TestGzip(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                             false,
		"gzip":                         true,
		"br, GZIP":                     true,
		"deflate, gzip;q=0.5":          true,
		"gzip; q=1.0, identity":        true,
		"gzip;q=0":                     false,
		"identity;q=1, gzip ; q=0.000": false,
		"x-gzipped":                    false,
		"br":                           false,
	} {
		r := &http.Request{Header: http.Header{"Accept-Encoding": {accept}}}
		if got := Gzip(r); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}
