package asc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"go.opentelemetry.io/otel/attribute"
)

// Waits between attempts.
const (
	backoffFirst   = 200 * time.Millisecond
	backoffMost    = 5 * time.Second
	retryAfterMost = 2 * time.Minute // a Retry-After beyond it is not believed
	flakyPause     = 300 * time.Millisecond
)

// errKeepBody tells that the answer's body is still to be read by the caller.
var errKeepBody = errors.New("keep the body")

// outcome is how one attempt ended.
type outcome struct {
	status  int
	header  http.Header
	err     error // nil: success
	written bool  // Apple may have seen the request

	clockCorrected bool // a token made now says another time
}

// maxReplays is how often a call that was answered with 429 is sent again.
const maxReplays = 1

// retry sends a call until it succeeds, fails for good, or time is up.
//
//	429              once more, as soon as the quota lets it: it was not executed
//	401              again only for a key that has worked before: once with the
//	                 same token, once with a fresh one
//	5xx, no answer   a GET again; a write only if it surely was not sent
func (c *Client) retry(ctx context.Context, call *Call, success func(*http.Response) error) (attempts int, err error) {
	target, err := c.url(call)
	if err != nil {
		return 0, err
	}
	next := turn{need: Need{Team: call.Team, Method: call.Method, Template: call.Template}}
	refused, replays := 0, 0
	for attempts = 1; ; attempts++ {
		permit, token, err := c.admit(ctx, &next)
		if err != nil {
			return attempts, err
		}
		o := c.attempt(ctx, call, target, permit, token, attempts-1, success)
		record(ctx, token, permit, o)
		if o.err == nil {
			c.proven.add(token)
			return attempts, nil
		}
		c.deps.Logger.DebugContext(ctx, "upstream attempt failed", "operation", call.Operation,
			"status", o.status, "attempt", attempts, "request_id", requestID(o.header))
		pause, again := backoff(attempts), false
		next.keep, next.front = Token{}, false
		switch {
		case ctx.Err() != nil:
			return attempts, canceled(ctx, call, o)
		case o.status == http.StatusTooManyRequests:
			replays++
			again, next.front = replays <= maxReplays, true
			if after, ok := RetryAfter(o.header, time.Now()); ok {
				pause = after
			}
			if len(c.others(next.need, token)) > 0 {
				pause = 0 // another key may be free: the quota knows
			}
		case o.status == http.StatusUnauthorized:
			refused++
			if again, err = c.afterRefusal(ctx, &next, token, refused, o.clockCorrected); err != nil {
				return attempts, err
			}
			if pause = flakyPause; next.keep.KeyID == "" {
				pause, refused = 0, 0
			}
		case transient(o):
			again = call.Method == http.MethodGet || !o.written
		}
		if !again || attempts >= c.cfg.MaxAttempts || pause > 0 && !wait(ctx, pause) {
			return attempts, c.final(ctx, call, o)
		}
	}
}

// turn is what the next attempt is made with.
type turn struct {
	need  Need
	keep  Token // empty: the quota chooses the key
	front bool
}

// admit waits until an attempt may be made, and gets the token for it. A key
// that gives none is passed over, if there is another.
func (c *Client) admit(ctx context.Context, t *turn) (Permit, Token, error) {
	for {
		var keys []Candidate
		var err error
		if t.keep.KeyID != "" {
			keys = []Candidate{{KeyID: t.keep.KeyID}}
		} else if keys, err = c.deps.Tokens.Candidates(t.need); err != nil {
			return nil, Token{}, err
		}
		permit, err := c.deps.Quota.Admit(ctx, Charge{Team: t.need.Team, Keys: keys, Method: t.need.Method, Template: t.need.Template, Front: t.front})
		if m, ok := permit.(measured); err == nil && ok && m.Waited() > 0 {
			note(ctx, "quota.wait", attribute.Int64("ascgateway.waited_ms", m.Waited().Milliseconds()))
		}
		if err != nil || t.keep.KeyID != "" {
			return permit, t.keep, err
		}
		token, err := c.deps.Tokens.Token(ctx, t.need.Team, permit.KeyID())
		if err == nil {
			return permit, token, nil
		}
		permit.Done(0, 0, nil)
		if ctx.Err() != nil || len(keys) < 2 {
			return nil, Token{}, err
		}
		t.need.Avoid = append(slices.Clip(t.need.Avoid), permit.KeyID())
	}
}

// others are the candidates beside a token's key.
func (c *Client) others(need Need, token Token) []Candidate {
	keys, err := c.deps.Tokens.Candidates(need)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k Candidate) bool { return k.KeyID == token.KeyID })
}

// afterRefusal follows a 401. Valid tokens get one now and then, so a key that
// has worked before is tried again; one that has not is proven bad at once. Then
// another key of the team goes on with the call: what was refused was not
// executed.
func (c *Client) afterRefusal(ctx context.Context, next *turn, token Token, refused int, clockCorrected bool) (again bool, err error) {
	switch {
	case clockCorrected && refused <= 2:
		next.keep, err = c.deps.Tokens.Renew(ctx, token)
		return err == nil, err
	case !c.proven.has(token) || refused > 2:
		c.deps.Tokens.Report(token, Answer{Refused: true})
		next.need.Avoid = append(slices.Clip(next.need.Avoid), token.KeyID)
		return len(c.others(next.need, token)) > 0, nil
	case refused == 1:
		next.keep = token
		return true, nil
	}
	next.keep, err = c.deps.Tokens.Renew(ctx, token)
	return err == nil, err
}

func transient(o outcome) bool {
	switch o.status {
	case 0, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// final is the fault of the last attempt.
func (c *Client) final(ctx context.Context, call *Call, o outcome) error {
	if ctx.Err() != nil {
		return canceled(ctx, call, o)
	}
	var a *answered
	if errors.As(o.err, &a) {
		return a
	}
	f := fault.As(o.err)
	if call.Method != http.MethodGet && transient(o) && o.written {
		return outcomeUnknown(call, f)
	}
	return f
}

func canceled(ctx context.Context, call *Call, o outcome) error {
	if call.Method != http.MethodGet && o.written && transient(o) {
		return outcomeUnknown(call, fault.As(o.err))
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.New(fault.DeadlineExceeded, "DEADLINE_EXCEEDED", "Apple did not answer before the deadline").WithCause(o.err)
	}
	return fault.New(fault.Canceled, "CANCELLED", "the caller went away").WithCause(o.err)
}

func outcomeUnknown(call *Call, f *fault.Error) error {
	u := fault.New(fault.Unknown, fault.ReasonOutcomeUnknown,
		"the %s was sent and may have been executed, but no answer tells: look before repeating it", call.Method).WithCause(f)
	u.Upstream = f.Upstream
	return u
}

func backoff(attempt int) time.Duration {
	d := backoffFirst << (attempt - 1)
	return jitter(min(d, backoffMost))
}

// RetryAfter reads the header: seconds or a date, within reason.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := h.Get("Retry-After")
	if v == "" {
		return 0, false
	}
	if n, err := strconv.Atoi(v); err == nil {
		if n < 0 {
			return 0, false
		}
		return min(time.Duration(min(n, 1<<20))*time.Second, retryAfterMost), true
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), retryAfterMost), true
	}
	return 0, false
}

// attempt sends the request once.
func (c *Client) attempt(ctx context.Context, call *Call, target string, permit Permit, token Token, resend int, success func(*http.Response) error) (o outcome) {
	var writes atomic.Int32
	defer func() { permit.Done(int(writes.Load()), o.status, o.header) }()
	attemptCtx, cancel := context.WithCancel(ctx)
	if !call.file { // a file takes as long as its reader
		attemptCtx, cancel = context.WithTimeout(ctx, c.cfg.AttemptTimeout)
	}
	keep := false
	defer func() {
		if !keep {
			cancel()
		}
	}()
	attemptCtx = context.WithValue(attemptCtx, attemptKey{}, attemptInfo{call.Method, call.Template, resend})
	traced := httptrace.WithClientTrace(attemptCtx, &httptrace.ClientTrace{WroteHeaders: func() { writes.Add(1) }})
	req, err := c.request(traced, call, target, token)
	if err != nil {
		return outcome{err: err, status: -1}
	}
	begun := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		return outcome{err: noAnswer(err), written: writes.Load() > 0}
	}
	o = outcome{status: res.StatusCode, header: res.Header, written: true, clockCorrected: c.report(token, res, time.Since(begun))}
	if res.StatusCode/100 == 2 {
		res.Body = &cancelingBody{res.Body, cancel}
		if err = success(res); errors.Is(err, errKeepBody) {
			keep = true
			return o
		}
		if o.err = err; err != nil && fault.As(err).Reason != fault.ReasonUpstreamTooLarge {
			o.status = 0 // the answer is lost: for a read the same as none
		}
	} else {
		o.err = c.refusal(call, res)
	}
	res.Body.Close()
	return o
}

// refusal is the fault of an answer, and for a raw call the answer as well.
func (c *Client) refusal(call *Call, res *http.Response) error {
	if !call.raw {
		return c.errorOf(res)
	}
	body, err := readBounded(res, c.cfg.MaxResponseBytes)
	if err != nil {
		return err
	}
	res.Body.Close()
	res.Header.Del("Content-Encoding")
	res.Body = io.NopCloser(bytes.NewReader(body))
	return &answered{status: res.StatusCode, header: res.Header, body: body, fault: c.errorOf(res)}
}

// report tells the token source what an answer says of the token.
func (c *Client) report(token Token, res *http.Response, took time.Duration) (clockCorrected bool) {
	a := Answer{Took: took, Success: res.StatusCode/100 == 2, Status: res.StatusCode}
	if d, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		a.Date = d
	}
	return c.deps.Tokens.Report(token, a)
}

// cancelingBody frees the attempt's context when the body is closed.
type cancelingBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *cancelingBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

func (c *Client) request(ctx context.Context, call *Call, target string, token Token) (*http.Request, error) {
	var req *http.Request
	var err error
	if call.Body != nil {
		req, err = http.NewRequestWithContext(ctx, call.Method, target, bytes.NewReader(call.Body))
	} else {
		req, err = http.NewRequestWithContext(ctx, call.Method, target, nil)
	}
	if err != nil {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the request makes no valid URL").WithCause(err)
	}
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json")
		if call.Method != http.MethodGet {
			req.GetBody = nil // net/http must not repeat a write by itself
		}
	}
	accept := call.Accept
	setDefault(&accept, "application/json")
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	req.Header.Set("Authorization", "Bearer "+token.Bearer)
	return req, nil
}

// url is where the call goes. The path must be the one given: what would be
// cleaned on the way could walk past a policy.
func (c *Client) url(call *Call) (string, error) {
	u := c.base.String() + call.Path
	if call.Query != "" {
		u += "?" + call.Query
	}
	if len(u) > MaxURLBytes {
		return "", tooLong(len(u))
	}
	return u, nil
}

func noAnswer(err error) error {
	return fault.New(fault.Unavailable, fault.ReasonUpstreamUnavailable, "App Store Connect cannot be reached").WithCause(err)
}

// provenKeys remembers the keys that have worked.
type provenKeys struct{ m sync.Map }

func (p *provenKeys) add(t Token) {
	if !p.has(t) {
		p.m.Store(t.Team+"/"+t.KeyID, true)
	}
}

func (p *provenKeys) has(t Token) bool { _, ok := p.m.Load(t.Team + "/" + t.KeyID); return ok }
