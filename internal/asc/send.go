package asc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// sending is how an attempt is sent.
type sending struct {
	permit Permit
	token  Token
	resend int
	within time.Duration // the answer must be there; read as well, if it is no file
}

// attempt sends the request once.
func (c *Client) attempt(
	ctx context.Context,
	call *Call,
	target string,
	by sending,
	success func(*http.Response) error,
) (o outcome) {
	var writes atomic.Int32
	defer func() { by.permit.Done(int(writes.Load()), o.status, o.header) }()
	if c.deps.Tracing.Tracer != nil {
		ctx = context.WithValue(ctx, attemptKey{}, attemptInfo{call.Method, call.Template, by.resend})
	}
	x := c.begin(ctx, by.within)
	keep := false
	defer func() {
		if !keep {
			x.end()
		}
	}()
	traced := httptrace.WithClientTrace(x.ctx, &httptrace.ClientTrace{WroteHeaders: func() { writes.Add(1) }})
	req, err := c.request(traced, call, target, by.token)
	if err != nil {
		return outcome{err: err, status: -1}
	}
	begun := time.Now()
	res, err := c.send.RoundTrip(req)
	if err != nil {
		return outcome{err: noAnswer(x.why(err)), written: writes.Load() > 0}
	}
	o = outcome{
		status:         res.StatusCode,
		header:         res.Header,
		written:        true,
		clockCorrected: c.report(by.token, res, time.Since(begun)),
	}
	res.Body = x.body(res.Body, c.mostBytes(call))
	if res.StatusCode/100 == 2 {
		if err = success(res); errors.Is(err, errKeepBody) {
			keep = true
			x.keep(c.cfg.FileTimeout) // a file takes as long as its reader
			return o
		}
		if o.err = err; err != nil && !conclusive(err) {
			o.status = 0 // the answer is lost: for a read the same as none
		}
	} else {
		o.err = c.refusal(call, res)
	}
	res.Body.Close()
	return o
}

// conclusive says whether the answer to the same request would be of no more use.
func conclusive(err error) bool {
	return fault.As(err).Reason == fault.ReasonUpstreamTooLarge || errors.Is(err, errUnreadable)
}

// mostBytes is how long a body may be as it comes. One more than may be passed
// on: who reads it tells.
func (c *Client) mostBytes(call *Call) int64 {
	if call.file {
		return c.cfg.MaxFileBytes + 1
	}
	return c.cfg.MaxResponseBytes + 1
}

// refusal is the fault of an answer, and for a raw call the answer as well.
func (c *Client) refusal(call *Call, res *http.Response) error {
	if !call.raw {
		return c.errorOf(res)
	}
	body, left, err := readBounded(res, c.cfg.MaxResponseBytes)
	if err != nil {
		return err
	}
	res.Body.Close()
	encoded(res.Header, left)
	res.Body = io.NopCloser(bytes.NewReader(body))
	return &answered{status: res.StatusCode, header: res.Header, body: body, fault: c.errorOf(res)}
}

// report tells the token source what an answer says of the token.
func (c *Client) report(token Token, res *http.Response, took time.Duration) (clockCorrected bool) {
	a := Answer{Took: took, Success: taken(res.StatusCode), Status: res.StatusCode}
	if d, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		a.Date = d
	}
	return c.deps.Tokens.Report(token, a)
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
		return nil, fault.New(
			fault.InvalidArgument,
			fault.ReasonInvalidRequest,
			"the request makes no valid URL",
		).WithCause(
			err,
		)
	}
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json")
		if call.Method != http.MethodGet {
			req.GetBody = nil // net/http must not repeat a write by itself
		}
	}
	accept := call.Accept
	setDefault(&accept, "application/json")
	values := [...]string{accept, "gzip", c.cfg.UserAgent, "Bearer " + token.Bearer}
	for i, name := range [...]string{"Accept", "Accept-Encoding", "User-Agent", "Authorization"} {
		req.Header[name] = values[i : i+1 : i+1]
	}
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
	var f *fault.Error
	if errors.As(err, &f) {
		return f // the gateway ended it, and says why
	}
	return fault.New(
		fault.Unavailable,
		fault.ReasonUpstreamUnavailable,
		"App Store Connect cannot be reached",
	).WithCause(
		err,
	)
}
