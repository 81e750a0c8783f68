package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/asc-gateway/asc-gateway/internal/outbound"
	"github.com/go-jose/go-jose/v4"
)

// Bounds of an issuer's keys.
const (
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
	fetches                *fetches
	now                    func() time.Time
	stale                  time.Duration

	mu       sync.Mutex
	keys     []jose.JSONWebKey
	fetched  time.Time // of keys
	tried    time.Time
	fetching chan struct{} // closed when the request in flight ends; nil: none
	failure  error         // of the last request
}

func newKeySet(cfg Issuer, deps Deps, fetches *fetches) (*keySet, error) {
	s := &keySet{
		issuer:    cfg.Issuer,
		url:       cfg.JWKSURL,
		tokenFile: cfg.TokenFile,
		fetches:   fetches,
		now:       deps.Now,
		stale:     defaultStale,
	}
	if cfg.StaleHours > 0 {
		s.stale = time.Duration(cfg.StaleHours) * time.Hour
	}
	var err error
	s.client, err = outbound.New(outbound.Config{CAFile: cfg.CAFile, Proxy: cfg.Proxy, Timeout: fetchTimeout})
	if err != nil {
		return nil, err
	}
	if deps.Transport != nil {
		s.client.Transport = deps.Transport
	}
	return s, nil
}

// adopt takes over the keys of another set of the same issuer. Where all went
// well, it is not asked earlier than the other would have asked.
func (s *keySet) adopt(o *keySet) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.url != o.url {
		return
	}
	if s.keys, s.fetched = o.keys, o.fetched; o.failure == nil && o.fetching == nil {
		s.tried = o.tried
	}
}

// find returns the public key with an id, asking the issuer where the keys at
// hand do not have it.
func (s *keySet) find(ctx context.Context, kid, alg string) (any, error) {
	for {
		key, wait, err := s.atHand(kid, alg)
		if wait == nil {
			return key, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, away("the keys of the token's issuer did not come in time", ctx.Err())
		}
	}
}

// atHand returns the public key with an id, or what to wait for before asking
// again. It waits for nothing itself. The issuer is asked in the background, at
// most every 30 s, where keys are older than a quarter of an hour or have no
// such id.
func (s *keySet) atHand(kid, alg string) (key any, wait <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	key, found := s.pick(kid, alg)
	age := now.Sub(s.fetched)
	if found && age < freshFor {
		return key, nil, nil
	}
	if s.fetching == nil && now.Sub(s.tried) >= retryAfter {
		s.begin(now)
	}
	switch {
	case found && age < s.stale: // while it is refreshed
		return key, nil, nil
	case s.fetching != nil:
		return nil, s.fetching, nil
	case s.failure != nil:
		return nil, nil, away("the keys of the token's issuer cannot be had", s.failure)
	}
	return nil, nil, errors.New("the issuer has no such key")
}

func away(text string, cause error) error {
	return fault.New(fault.Unavailable, ReasonIssuerUnavailable, "%s", text).WithCause(cause)
}

// begin asks the issuer once, in the background. It is called with the lock.
func (s *keySet) begin(now time.Time) {
	done := make(chan struct{})
	if s.fetches.start(func(ctx context.Context) { s.fetch(ctx, done) }) {
		s.fetching, s.tried = done, now
	} else {
		s.failure = errClosed
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

// fetch asks the issuer once.
func (s *keySet) fetch(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
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
		if strings.HasPrefix(s.issuer, "https:") && !strings.HasPrefix(doc.JWKSURI, "https:") {
			return nil, errors.New("jwks_uri: want an https URL")
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
		return outbound.Told(err)
	}
	req.Header.Set("Accept", "application/json")
	token := ""
	if s.tokenFile != "" && s.own(req.URL) {
		b, err := files.Read(s.tokenFile, maxTokenBytes)
		if err != nil {
			return err
		}
		token = string(trimmed(b))
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := outbound.Ask(s.client, req, token)
	if err != nil {
		return err
	}
	if res.Status != http.StatusOK {
		hint := ""
		if s.tokenFile != "" && token == "" {
			hint = ": token_file's token goes to no other host than the issuer's; jwks_url names one that it may go to"
		}
		return fmt.Errorf("%s: status %d%s", outbound.Strike(req.URL.Path, token), res.Status, hint)
	}
	return outbound.Told(json.Unmarshal(res.Body, into), token)
}

// own says whether a URL is the issuer's, or the one that was configured: what
// an issuer's discovery document names may be anybody's.
func (s *keySet) own(u *url.URL) bool {
	if s.url != "" {
		return u.String() == s.url
	}
	i, err := url.Parse(s.issuer)
	return err == nil && i.Scheme == u.Scheme && strings.EqualFold(i.Host, u.Host)
}
