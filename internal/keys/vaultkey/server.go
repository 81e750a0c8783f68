package vaultkey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/outbound"
)

// Bounds of requests.
const (
	operationTimeout = 15 * time.Second // of what a caller asks for, with its logins
	requestTimeout   = 5 * time.Second  // of a request with its retries
	maxRetries       = 2                // of a request: Vault was not reached, or answered with 5xx
	retryWait        = 100 * time.Millisecond
)

// server is a Vault as it is reached over HTTP. Vault's own Go client is not
// used: it takes addresses, proxies, certificates, headers and retries from
// VAULT_* whatever its configuration says, and its clones follow redirects.
type server struct {
	address   string // without a slash at its end
	namespace string
	client    *http.Client
}

func newServer(cfg Config) (*server, error) {
	if err := outbound.CheckURL(cfg.Address); err != nil || strings.Contains(cfg.Address, "?") {
		return nil, errors.New("vault.address: want an https URL")
	}
	client, err := outbound.New(outbound.Config{CAFile: cfg.CAFile, Proxy: cfg.Proxy, Timeout: requestTimeout})
	if err != nil {
		return nil, fmt.Errorf("vault.%w", err)
	}
	return &server{address: strings.TrimRight(cfg.Address, "/"), namespace: cfg.Namespace, client: client}, nil
}

// secret is what Vault answers.
type secret struct {
	Data   map[string]any `json:"data"`
	Auth   *auth          `json:"auth"`
	Errors []string       `json:"errors"`
}

type auth struct {
	ClientToken   string `json:"client_token"`
	LeaseDuration int64  `json:"lease_duration"` // seconds
	Renewable     bool   `json:"renewable"`
}

// refusal is an answer that is no success.
type refusal struct {
	status int
	text   string // with secrets struck out
}

// Error implements error.
func (r *refusal) Error() string { return fmt.Sprintf("vault: status %d: %s", r.status, r.text) }

// HTTPStatusCode is what [keys.Outage] asks for.
func (r *refusal) HTTPStatusCode() int { return r.status }

// ask is one thing that is asked of Vault.
type ask struct {
	method, path string
	token        string   // "": none
	body         any      // nil: none
	secrets      []string // that no error may quote, beside the token
}

// request asks, and asks again where Vault was not reached or answered with 5xx.
// A nil secret is one that is not there.
func (s *server) request(ctx context.Context, a ask) (*secret, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for retry := 0; ; retry++ {
		got, err := s.once(ctx, a)
		if err == nil || ctx.Err() != nil || retry == maxRetries || !passing(err) {
			return got, err
		}
		timer := time.NewTimer(retryWait << retry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		}
	}
}

// passing says whether an error may be gone at the next try.
func passing(err error) bool {
	var r *refusal
	if errors.As(err, &r) {
		return r.status >= http.StatusInternalServerError
	}
	return !errors.Is(err, outbound.ErrAnswer)
}

// once sends one request.
func (s *server) once(ctx context.Context, a ask) (*secret, error) {
	secrets := append([]string{a.token}, a.secrets...)
	var body []byte
	var err error
	if a.body != nil {
		if body, err = json.Marshal(a.body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, a.method, s.address+"/v1/"+a.path, bytes.NewReader(body))
	if err != nil {
		return nil, outbound.Told(err, secrets...)
	}
	r.Header.Set("X-Vault-Request", "true") // proxies of Vault's want it, against forged requests
	if s.namespace != "" {
		r.Header.Set("X-Vault-Namespace", s.namespace)
	}
	if a.token != "" {
		r.Header.Set("X-Vault-Token", a.token)
	}
	res, err := outbound.Ask(s.client, r, secrets...)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return read(res, secrets)
}

// read tells an answer: a secret, one that is not there, or a refusal.
func read(res outbound.Answer, secrets []string) (*secret, error) {
	if res.Status == http.StatusNotFound || res.Status == http.StatusNoContent {
		return nil, nil
	}
	var got secret
	decoder := json.NewDecoder(bytes.NewReader(res.Body))
	decoder.UseNumber()
	err := decoder.Decode(&got)
	if res.Status != http.StatusOK {
		return nil, &refusal{res.Status, outbound.Strike(strings.Join(got.Errors, "; "), secrets...)}
	}
	if err != nil {
		return nil, fmt.Errorf("vault: %w: it is not Vault's JSON", outbound.ErrAnswer)
	}
	return &got, nil
}
