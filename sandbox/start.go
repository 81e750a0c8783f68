package sandbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TB is what [New] needs of a *testing.T, *testing.B or *testing.F.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Key is an API key of the sandbox's team.
type Key struct {
	ID, Issuer string
	Private    *ecdsa.PrivateKey
}

// PEM is the key as Apple's .p8 file.
func (k Key) PEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k.Private)
	if err != nil {
		panic("sandbox: a key that Go made has no PKCS #8 form: " + err.Error())
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Token signs a token that lasts ten minutes.
func (k Key) Token() (string, error) {
	now := time.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": k.Issuer, "aud": audience,
		"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(10 * time.Minute).Unix()})
	t.Header["kid"] = k.ID
	return t.SignedString(k.Private)
}

// New starts a sandbox on a free port of 127.0.0.1 for a test, and stops it when
// the test ends. URL and Key say how to call it. States pass by themselves.
func New(t TB, w World) *Sandbox {
	t.Helper()
	s, err := Open(w)
	if err != nil {
		t.Fatalf("sandbox: %v", err)
	}
	private, err := s.NewKey("SANDBOXKEY")
	if err != nil {
		t.Fatalf("sandbox: %v", err)
	}
	server := httptest.NewServer(s)
	s.mu.Lock()
	s.base = server.URL
	s.mu.Unlock()
	s.URL, s.Key = server.URL, Key{ID: "SANDBOXKEY", Issuer: s.cfg.Issuer, Private: private}
	for _, w := range s.allWorlds() { // those that World.State kept
		w.URL = s.URL
		if w.name == s.Key.ID {
			w.Key = s.Key
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() {
		server.CloseClientConnections() // a fault may let a caller hang
		server.Close()
		stop()
		running.Wait()
		s.Close()
	})
	return s
}

// Client is an HTTP client that signs its requests to the sandbox with Key, and
// sends those to any other host as they are.
func (s *Sandbox) Client() *http.Client { return &http.Client{Transport: signing{s}} }

type signing struct{ s *Sandbox }

func (t signing) RoundTrip(r *http.Request) (*http.Response, error) {
	if "http://"+r.URL.Host != t.s.URL || r.Header.Get("Authorization") != "" {
		return http.DefaultTransport.RoundTrip(r)
	}
	token, err := t.s.Key.Token()
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return http.DefaultTransport.RoundTrip(r)
}

// tick is how often [Sandbox.Run] looks what has come due.
const tick = 20 * time.Millisecond

// Run lets happen what is due also when nobody asks, until ctx ends. Without it,
// what is due happens at the next request.
func (s *Sandbox) Run(ctx context.Context) {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			for _, w := range append(s.allWorlds(), s) {
				w.tick()
			}
		}
	}
}

// tick does what is due in one world.
func (s *Sandbox) tick() {
	s.mu.Lock()
	s.happen(s.clock.now(s.cfg.Now()))
	s.mu.Unlock()
	s.post()
	s.saveDue()
}

// Close ends what the sandbox does in the background. The world stays, and is
// saved if World.State says where.
func (s *Sandbox) Close() {
	for _, w := range s.allWorlds() {
		w.closeHooks()
	}
	s.closeHooks()
	if err := s.Save(); err != nil {
		s.cfg.Logger.Error("sandbox: the world was not saved", "error", err)
	}
}
