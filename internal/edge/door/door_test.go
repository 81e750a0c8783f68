package door

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

func reason(err error) string {
	if err == nil {
		return ""
	}
	return fault.As(err).Reason
}

func TestBodies(t *testing.T) {
	small := Body{Media: []string{"application/json"}, Max: 10, JSON: true}
	for _, c := range []struct {
		name, media, body string
		rule              Body
		want              string
	}{
		{"json", "application/json; charset=utf-8", `{}`, JSON, ""},
		{"no body", "", "", JSON, ""},
		{"no content type", "", `{}`, JSON, ReasonMediaType},
		{"a form of a web page", "text/plain", `{}`, JSON, ReasonMediaType},
		{"a content type that cannot be read", "application/json;;=", `{}`, JSON, ReasonMediaType},
		{"large", "application/json", `"0123456789"`, small, fault.ReasonTooLarge},
		{"none is taken", "application/json", `{}`, Body{}, fault.ReasonInvalidRequest},
		{"many elements", "application/json", "[" + strings.Repeat("{},", maxElements) + "{}]", JSON, fault.ReasonTooManyElements},
		{"deep", "application/json", strings.Repeat("[", maxDepth+1), JSON, fault.ReasonTooManyElements},
		{"brackets in text", "application/json", `"` + strings.Repeat(`[\"{,`, maxElements) + `"`, JSON, ""},
	} {
		r := httptest.NewRequest("POST", "/v1/apps", strings.NewReader(c.body))
		if c.media != "" {
			r.Header.Set("Content-Type", c.media)
		}
		b, err := c.rule.Read(httptest.NewRecorder(), r)
		if reason(err) != c.want || err == nil && string(b) != c.body {
			t.Errorf("%s: %d bytes, %v, want %q", c.name, len(b), err, c.want)
		}
	}
	for text, want := range map[string]string{"": "", "{}": fault.ReasonInvalidRequest} {
		chunked := httptest.NewRequest("GET", "/v1/apps", io.MultiReader(strings.NewReader(text)))
		if _, err := (Body{}).Read(httptest.NewRecorder(), chunked); reason(err) != want {
			t.Errorf("a chunked body %q where none is taken: %v", text, err)
		}
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	if _, err := JSON.Read(httptest.NewRecorder(), r); reason(err) != ReasonMediaType {
		t.Errorf("compressed: %v", err)
	}
}

func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		name, host string
		header     map[string]string
		open       bool
		refused    bool
	}{
		{"curl", "127.0.0.1:8080", nil, true, false},
		{"localhost", "LocalHost:8080", nil, true, false},
		{"IPv6", "[::1]:8080", nil, true, false},
		{"a name that resolves to loopback", "attacker.example:8080", nil, true, true},
		{"a name below localhost's", "localhost.attacker.example", nil, true, true},
		{"no host", "", nil, true, true},
		{"its own page", "localhost:8080", map[string]string{"Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"}, true, false},
		{"another port's page", "localhost:8080", map[string]string{"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, true, true},
		{"another site", "localhost:8080", map[string]string{"Origin": "https://attacker.example"}, true, true},
		{"a sandboxed frame", "localhost:8080", map[string]string{"Origin": "null"}, true, true},
		{"an image on another site", "localhost:8080", map[string]string{"Sec-Fetch-Site": "cross-site"}, true, true},
		{"authenticated, any name", "asc.example", nil, false, false},
		{"a browser's client certificate", "asc.example", map[string]string{"Origin": "https://attacker.example"}, false, true},
		{"a token, which no page brings by itself", "asc.example", map[string]string{"Origin": "https://app.example", "Authorization": "Bearer x"}, false, false},
		{"any token where none is asked for", "localhost:8080", map[string]string{"Origin": "https://app.example", "Authorization": "Bearer x"}, true, true},
	} {
		r := httptest.NewRequest("GET", "/v1/apps", nil)
		r.Host = c.host
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		if err := CheckOrigin(r, c.open); (err != nil) != c.refused {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestABodyThatStops ends in the time of its caller: here nobody is known.
func TestABodyThatStops(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Begin(w, r)
		_, err := io.ReadAll(r.Body)
		http.Error(w, reason(broken(err, 10)), http.StatusRequestTimeout)
	}))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nfew")
	answer, err := io.ReadAll(c)
	if err != nil || !bytes.Contains(answer, []byte(fault.ReasonPeerTooSlow)) {
		t.Errorf("%s, %v", answer, err)
	}
}

// FuzzCheckJSON compares the count with encoding/json's.
func FuzzCheckJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,"\"",{"b":null}]}`))
	f.Add([]byte(`"\\"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		tokens := 0
		for d := json.NewDecoder(bytes.NewReader(b)); ; tokens++ {
			if _, err := d.Token(); err != nil {
				break
			}
		}
		if err := CheckJSON(b); err != nil && tokens <= maxElements/2 && reason(err) == fault.ReasonTooManyElements && !strings.Contains(err.Error(), "deeper") {
			t.Errorf("refused with %d tokens", tokens)
		} else if err == nil && tokens > 3*maxElements {
			t.Errorf("taken with %d tokens", tokens)
		}
	})
}

// TestCheckPage holds from where a page may be asked for.
func TestCheckPage(t *testing.T) {
	for _, c := range []struct {
		name             string
		host             string
		site, mode, dest string
		open, ok         bool
	}{
		{"typed in", "gw.example", "none", "navigate", "document", false, true},
		{"no browser", "gw.example", "", "", "", false, true},
		{"a link on another site", "gw.example", "cross-site", "navigate", "document", false, true},
		{"a frame on another site", "gw.example", "cross-site", "navigate", "iframe", false, false},
		{"a script of another site", "gw.example", "cross-site", "no-cors", "script", false, false},
		{"a link, nobody authenticated", "localhost:8080", "cross-site", "navigate", "document", true, true},
		{"a foreign name, nobody authenticated", "gw.example", "none", "navigate", "document", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Host = c.host
			for name, v := range map[string]string{"Sec-Fetch-Site": c.site, "Sec-Fetch-Mode": c.mode, "Sec-Fetch-Dest": c.dest} {
				if v != "" {
					r.Header.Set(name, v)
				}
			}
			if err := CheckPage(r, c.open); (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}
