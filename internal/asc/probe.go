package asc

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of probes. A probe finds out whether Apple still takes a key, after one
// call was refused: a 401 on one path is no proof.
const (
	probeEvery = 10 * time.Second // between the beginnings of two probes of a key
	probeTime  = 15 * time.Second // of one, waits included
	probeTries = 3                // refusals in a row that are proof: valid tokens get one now and then
	probePath  = "/v1/apps"       // where nothing else is known to work
)

// verdict is what a probe found.
type verdict uint8

const (
	unsure verdict = iota // Apple did not say
	good                  // Apple takes the key
	bad                   // Apple refuses the key for what it could do before
)

// provenKeys remembers the keys that have worked.
type provenKeys struct{ m sync.Map } // "team/key" → *provenKey

// provenKey is a key that has worked, and the last probe of it.
type provenKey struct {
	path atomic.Pointer[string] // of a GET that it did; nil: none yet

	mu   sync.Mutex
	last *probe // nil: none yet
}

// probe is one probe, which all whose call was refused wait for.
type probe struct {
	begun time.Time
	done  chan struct{}
	found verdict
}

func (p *provenKeys) get(t Token) *provenKey {
	k, _ := p.m.Load(t.Team + "/" + t.KeyID)
	known, _ := k.(*provenKey)
	return known
}

func (p *provenKeys) has(t Token) bool { return p.get(t) != nil }

// note remembers a key that Apple took, and a path for its probes.
func (p *provenKeys) note(t Token, call *Call, o outcome) {
	if !taken(o.status) {
		return
	}
	k := p.get(t)
	if k == nil {
		fresh, _ := p.m.LoadOrStore(t.Team+"/"+t.KeyID, &provenKey{})
		k = fresh.(*provenKey)
	}
	if o.err == nil && call.Method == http.MethodGet && k.path.Load() == nil && isCollection(call) {
		k.path.CompareAndSwap(nil, &call.Template)
	}
}

// isCollection says whether a call's path holds nothing of its caller's:
// "/v1/apps".
func isCollection(call *Call) bool {
	version, name, _ := strings.Cut(strings.TrimPrefix(call.Template, "/"), "/")
	foreign := func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }
	return call.Path == call.Template && len(version) == 2 && name != "" && !strings.ContainsFunc(name, foreign)
}

// taken says whether an answer shows that Apple took the token.
func taken(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return status/100 == 2 || status/100 == 4
}

// verdict finds out whether Apple takes a key that has worked before. It is
// asked at most once in a while; who comes in between is told what was found.
func (c *Client) verdict(ctx context.Context, token Token) verdict {
	k := c.proven.get(token)
	if k == nil {
		return unsure
	}
	p := c.probeOf(ctx, k, token)
	select {
	case <-p.done:
		return p.found
	case <-ctx.Done():
		return unsure
	}
}

// probeOf is the probe under way or the one made just now, else a new one. It
// does not end with the caller that began it, but with the client.
func (c *Client) probeOf(ctx context.Context, k *provenKey, token Token) *probe {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last != nil && time.Since(k.last.begun) < probeEvery {
		return k.last
	}
	p := &probe{begun: time.Now(), done: make(chan struct{})}
	k.last = p
	path := probePath
	if known := k.path.Load(); known != nil {
		path = *known
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTime)
	stop := context.AfterFunc(c.ctx, cancel)
	c.probes.Go(func() {
		defer close(p.done)
		defer cancel()
		defer stop()
		if p.found = c.ask(limited, token, path); p.found == bad {
			c.deps.Tokens.Report(token, Answer{Refused: true})
		}
	})
	return p
}

// ask makes the calls of a probe.
func (c *Client) ask(ctx context.Context, token Token, path string) verdict {
	call := &Call{
		Team:      token.Team,
		Operation: "probe",
		Method:    http.MethodGet,
		Template:  path,
		Path:      path,
		Query:     "limit=1",
	}
	target, err := c.url(call)
	if err != nil {
		return unsure
	}
	for try := range probeTries {
		if try > 0 && !wait(ctx, flakyPause) {
			return unsure
		}
		permit, err := c.deps.Quota.Admit(
			ctx,
			Charge{Team: token.Team, Keys: []Candidate{{KeyID: token.KeyID}}, Method: call.Method, Template: path},
		)
		if err != nil {
			return unsure
		}
		o := c.attempt(ctx, call, target, sending{permit, token, try, probeTime}, func(res *http.Response) error {
			_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection can be used again
			return nil
		})
		switch {
		case taken(o.status):
			return good
		case o.status != http.StatusUnauthorized:
			return unsure
		}
	}
	return bad
}
