package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/go-jose/go-jose/v4"
)

// Bounds of an issuer's keys.
const (
	maxKeysBytes  = 1 << 20
	maxKeys       = 100
	freshFor      = 15 * time.Minute
	retryAfter    = 30 * time.Second // between requests, whether they succeed or not
	fetchTimeout  = 10 * time.Second
	defaultStale  = 24 * time.Hour
	minRSABits    = 2048
	maxRSABits    = 16384
	discoveryPath = "/.well-known/openid-configuration"
)

// keySet holds the public keys of an issuer: fresh for a quarter of an hour, and
// used for a day while the issuer is away.
type keySet struct {
	issuer, url, tokenFile string
	client                 *http.Client
	now                    func() time.Time
	stale                  time.Duration

	mu       sync.Mutex
	keys     []jose.JSONWebKey
	fetched  time.Time // of keys
	tried    time.Time
	fetching chan struct{} // closed when the request in flight ends; nil: none
	failure  error         // of the last request
}

func newKeySet(cfg Issuer, deps Deps) (*keySet, error) {
	s := &keySet{issuer: cfg.Issuer, url: cfg.JWKSURL, tokenFile: cfg.TokenFile, client: deps.Client, now: deps.Now, stale: defaultStale}
	if cfg.StaleHours > 0 {
		s.stale = time.Duration(cfg.StaleHours) * time.Hour
	}
	if s.client == nil {
		s.client = &http.Client{Timeout: fetchTimeout}
	}
	c := *s.client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.client = &c
	if cfg.CAFile == "" {
		return s, nil
	}
	pem, err := files.Read(cfg.CAFile, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("ca_file: holds no certificate")
	}
	s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, Proxy: http.ProxyFromEnvironment}
	return s, nil
}

// adopt takes over the keys of another set of the same issuer.
func (s *keySet) adopt(o *keySet) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.url == o.url {
		s.keys, s.fetched = o.keys, o.fetched
	}
}

// find returns the public key with an id, asking the issuer where the keys at
// hand do not have it.
func (s *keySet) find(ctx context.Context, kid, alg string) (any, error) {
	for {
		s.mu.Lock()
		now := s.now()
		key, found := s.pick(kid, alg)
		age := now.Sub(s.fetched)
		if found && age < freshFor {
			s.mu.Unlock()
			return key, nil
		}
		usable := found && age < s.stale
		wait := s.fetching
		if wait == nil && now.Sub(s.tried) >= retryAfter {
			wait = make(chan struct{})
			s.fetching, s.tried = wait, now
			go s.fetch(wait)
		} else if wait == nil {
			failure := s.failure
			s.mu.Unlock()
			switch {
			case usable:
				return key, nil
			case failure != nil:
				return nil, fault.New(fault.Unavailable, ReasonIssuerUnavailable, "the keys of the token's issuer cannot be had").WithCause(failure)
			}
			return nil, errors.New("the issuer has no such key")
		}
		s.mu.Unlock()
		if usable {
			return key, nil // while it is refreshed
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, fault.New(fault.Unavailable, ReasonIssuerUnavailable, "the keys of the token's issuer did not come in time").WithCause(ctx.Err())
		}
	}
}

// pick finds a key at hand that is for signatures by the algorithm.
func (s *keySet) pick(kid, alg string) (any, bool) {
	var only any
	n := 0
	for _, k := range s.keys {
		if k.Use != "" && k.Use != "sig" || k.Algorithm != "" && k.Algorithm != alg || !fits(k.Key, alg) {
			continue
		}
		if kid != "" && k.KeyID == kid {
			return k.Key, true
		}
		only = k.Key
		n++
	}
	return only, kid == "" && n == 1
}

func fits(key any, alg string) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return (alg[0] == 'R' || alg[0] == 'P') && k.N.BitLen() >= minRSABits && k.N.BitLen() <= maxRSABits
	case *ecdsa.PublicKey:
		return map[string]int{"ES256": 256, "ES384": 384, "ES512": 521}[alg] == k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

// fetch asks the issuer once. It ends by the client's timeout.
func (s *keySet) fetch(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	keys, err := s.get(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
	if err == nil {
		s.keys, s.fetched = keys, s.now()
	}
	s.fetching = nil
	close(done)
}

func (s *keySet) get(ctx context.Context) ([]jose.JSONWebKey, error) {
	at := s.url
	if at == "" {
		var doc struct {
			Issuer  string `json:"issuer"`
			JWKSURI string `json:"jwks_uri"`
		}
		if err := s.read(ctx, strings.TrimSuffix(s.issuer, "/")+discoveryPath, &doc); err != nil {
			return nil, err
		}
		if doc.Issuer != s.issuer {
			return nil, errors.New("discovery: another issuer")
		}
		if err := checkURL("jwks_uri", doc.JWKSURI); err != nil {
			return nil, err
		}
		at = doc.JWKSURI
	}
	var set struct{ Keys []json.RawMessage }
	if err := s.read(ctx, at, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) == 0 || len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("jwks: %d keys", len(set.Keys))
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) == nil && k.Valid() && k.IsPublic() { // others are for others
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("jwks: no usable key")
	}
	return keys, nil
}

// read gets a small JSON document.
func (s *keySet) read(ctx context.Context, at string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if s.tokenFile != "" {
		token, err := files.Read(s.tokenFile, maxTokenBytes)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+string(trimmed(token)))
	}
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", req.URL.Path, res.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxKeysBytes+1))
	if err != nil {
		return err
	}
	if len(b) > maxKeysBytes {
		return fmt.Errorf("%s: larger than %d bytes", req.URL.Path, maxKeysBytes)
	}
	return json.Unmarshal(b, into)
}
