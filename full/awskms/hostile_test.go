package awskms

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

const (
	secretKey    = "wJalrXUtnFEMI-SECRET"
	sessionToken = "IQoJb3JpZ2luX2VjE-SESSION"
)

func against(at string) *Backend {
	return &Backend{Options: []func(*config.LoadOptions) error{config.WithBaseEndpoint(at), config.WithRegion("us-east-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKID", secretKey, sessionToken))}}
}

// TestHostileKMS holds the bounds of the client against a KMS that was taken
// over.
func TestHostileKMS(t *testing.T) {
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	defer thief.Close()
	filler := make([]byte, 64<<10)
	for _, x := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request, sent *atomic.Int64)
		most   int64 // requests
	}{
		{"a redirect, 307", func(w http.ResponseWriter, r *http.Request, _ *atomic.Int64) {
			http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
		}, maxAttempts},
		{"a redirect, 308", func(w http.ResponseWriter, r *http.Request, _ *atomic.Int64) {
			http.Redirect(w, r, thief.URL, http.StatusPermanentRedirect)
		}, maxAttempts},
		{"a redirect, 302", func(w http.ResponseWriter, r *http.Request, _ *atomic.Int64) {
			http.Redirect(w, r, thief.URL, http.StatusFound)
		}, maxAttempts},
		{"an answer without end", func(w http.ResponseWriter, _ *http.Request, sent *atomic.Int64) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			_, _ = io.WriteString(w, `{"KeyId": "`)
			for {
				n, err := w.Write(filler)
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
		}, maxAttempts},
		{"500 for ever", func(w http.ResponseWriter, _ *http.Request, _ *atomic.Int64) {
			fail(w, 500, "KMSInternalException")
		}, maxAttempts},
		{"throttled for ever", func(w http.ResponseWriter, _ *http.Request, _ *atomic.Int64) {
			fail(w, 400, "ThrottlingException")
		}, maxAttempts},
		{"all that was sent", func(w http.ResponseWriter, r *http.Request, _ *atomic.Int64) {
			fail(w, 400, "AccessDenied: "+r.Header.Get("X-Amz-Security-Token")+" "+secretKey+" "+r.Header.Get("Authorization"))
		}, 1},
		{"nothing", func(_ http.ResponseWriter, r *http.Request, _ *atomic.Int64) { <-r.Context().Done() }, 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			var asked, sent atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				asked.Add(1)
				x.answer(w, r, &sent)
			}))
			defer s.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			begun := time.Now()
			_, err := against(s.URL).Open(ctx, "K", "awskms:alias/asc")
			text := fmt.Sprintf("%v %+v %#v", err, err, err)
			took := time.Since(begun)
			t.Logf("%.200s after %v, %d requests, %d KiB sent", text, took.Round(time.Millisecond), asked.Load(), sent.Load()>>10)
			if err == nil || asked.Load() > x.most || sent.Load() > maxAttempts*(maxReadBytes+8<<20) || took > 6*time.Second {
				t.Error("not bounded")
			}
			for _, secret := range []string{secretKey, sessionToken} {
				if strings.Contains(text, secret[:10]) || strings.Contains(text, secret[10:]) {
					t.Errorf("a secret is told: %s", text)
				}
			}
		})
	}
	if n := stolen.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// TestTheEndpointIsHTTPS holds that the environment can name another endpoint,
// but none in plain text.
func TestTheEndpointIsHTTPS(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://kms.invalid")
	b := &Backend{Options: []func(*config.LoadOptions) error{config.WithRegion("us-east-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKID", secretKey, sessionToken))}}
	if _, err := b.Open(t.Context(), "K", "awskms:alias/asc"); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("got %v", err)
	}
}

// TestCredentialsServicesAreBounded holds that the services that credentials come
// from are asked with the same client: no redirect carries the role's token away.
func TestCredentialsServicesAreBounded(t *testing.T) {
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	defer thief.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", s.URL)
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "role-token-0123456789")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, name := range []string{"ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "PROFILE", "SHARED_CREDENTIALS_FILE", "CONFIG_FILE"} {
		t.Setenv("AWS_"+name, "")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	b := &Backend{Options: []func(*config.LoadOptions) error{
		config.WithRegion("us-east-1"), config.WithBaseEndpoint(s.URL)}}
	if _, err := b.Open(ctx, "K", "awskms:alias/asc"); err == nil {
		t.Error("opened")
	}
	if n := stolen.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}
