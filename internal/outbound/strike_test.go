package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestNoErrorQuotesASecret lets servers send the token back wherever net/http
// quotes what they sent.
func TestNoErrorQuotesASecret(t *testing.T) {
	for name, answer := range map[string]string{
		"a status line":     token + " " + token + "\r\n\r\n",
		"a status code":     "HTTP/1.1 " + token + " no\r\n\r\n",
		"a protocol":        token + "/1.1 200 OK\r\n\r\n",
		"a header":          "HTTP/1.1 200 OK\r\n" + token + "\r\n\r\n",
		"a header's name":   "HTTP/1.1 200 OK\r\n" + token[:20] + "\x00: x\r\n\r\n",
		"a length":          "HTTP/1.1 200 OK\r\nContent-Length: " + token + "\r\n\r\n",
		"an encoding":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + token + "\r\n\r\n",
		"a chunk":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + token + "\r\n",
		"a content coding":  "HTTP/1.1 200 OK\r\nContent-Encoding: " + token + "\r\n\r\nx",
		"after the answer":  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + token,
		"a switch":          "HTTP/1.1 101 " + token + "\r\nUpgrade: " + token + "\r\n\r\n",
		"only half of it":   token[:len(token)/2] + "\r\n\r\n",
		"in capitals, hex":  fmt.Sprintf("%X\r\n\r\n", token),
		"backwards in pair": token[20:] + token[:20] + "\r\n\r\n",
	} {
		at := raw(t, func(c net.Conn) { _, _ = io.WriteString(c, answer) })
		_, err := get(t, client(t, Config{}), at)
		text := fmt.Sprintf("%v %+v %#v", err, err, err)
		for i := 0; i+window <= len(token); i++ {
			if strings.Contains(text, token[i:i+window]) {
				t.Errorf("%s: %s", name, text)
				break
			}
		}
		if strings.Contains(text, fmt.Sprintf("%X", token)) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestStrike(t *testing.T) {
	for _, x := range []struct{ name, text, want string }{
		{"nothing", "permission denied", "permission denied"},
		{"all of it", "token " + token + " is bad", "token " + struck + " is bad"},
		{"a part", "token " + token[5:14] + " is bad", "token " + struck + " is bad"},
		{"too little to matter", "token " + token[5:12], "token " + token[5:12]},
		{"another's", "s.abcdefghijklmnopqrstuvwxyz", "s." + struck},
		{"a short secret", "pw is hunter2!", "pw is " + struck + "!"},
		{"controls", "a\x1b[31m\nb", "a [31m b"},
		{"too long", strings.Repeat("ab ", 2000), strings.Repeat("ab ", 100) + "…"},
		{"cut inside of a secret", strings.Repeat("w ", maxTextBytes/2-4) + token, strings.Repeat("w ", 150) + "…"},
		{"an address", `Get "https://vault.internal.example.com:8200/v1/transit/keys/asc": dial tcp 10.1.2.3:8200: i/o timeout`,
			`Get "https://vault.internal.example.com:8200/v1/transit/keys/asc": dial tcp 10.1.2.3:8200: i/o timeout`},
	} {
		if got := Strike(x.text, token, "hunter2", ""); got != x.want {
			t.Errorf("%s: got %q", x.name, got)
		}
	}
}

func TestToldKeepsTheEndOfAContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:1", nil)
	if _, err := Ask(client(t, Config{}), r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if Told(nil) != nil {
		t.Error("no error became one")
	}
}

func FuzzStrike(f *testing.F) {
	f.Add("the token " + token + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		got := Strike(text+token+text, token)
		if strings.Contains(got, token) || len(got) > maxTold+len("…") {
			t.Errorf("%q became %q", text, got)
		}
	})
}
