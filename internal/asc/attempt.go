package asc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
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
//	404              a GET of what Apple misses at random: twice more, see doubts
//	5xx, no answer   a GET again; a write only if it surely was not sent
//
// All of it, waits for the quota apart, ends within [Config.CallTimeout].
func (c *Client) retry(ctx context.Context, call *Call, success func(*http.Response) error) (attempts int, err error) {
	target, err := c.url(call)
	if err != nil {
		return 0, err
	}
	next := turn{need: Need{Team: call.Team, Method: call.Method, Template: call.Template}}
	spent := call.Spent
	if spent == nil {
		spent = &Spent{}
	}
	if spent.left(c.cfg.CallTimeout) <= 0 {
		return 0, late(c.cfg.CallTimeout)
	}
	refused, replays, doubted := 0, 0, doubts{}
	for attempts = 1; ; attempts++ {
		permit, token, err := c.admit(ctx, &next)
		if err != nil {
			return attempts, err
		}
		begun, before := time.Now(), spent.time
		passed := func() time.Duration { spent.time = before + time.Since(begun); return spent.time }
		o := c.attempt(
			ctx,
			call,
			target,
			sending{permit, token, attempts - 1, min(c.cfg.AttemptTimeout, spent.left(c.cfg.CallTimeout))},
			success,
		)
		passed()
		record(ctx, token, permit, o)
		c.proven.note(token, call, o)
		if o.err == nil {
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
			pause = c.pauseAfter429(next.need, token, o, pause)
		case o.status == http.StatusUnauthorized:
			refused++
			if again, err = c.afterRefusal(ctx, &next, token, refused, o.clockCorrected); err != nil {
				return attempts, err
			}
			if pause = flakyPause; next.keep.KeyID == "" {
				pause, refused = 0, 0
			}
		case o.status == http.StatusNotFound:
			again = doubted.again(ctx, c, call, o, spent)
		case transient(o):
			again = call.Method == http.MethodGet || !o.written
		}
		if !again || attempts >= c.cfg.MaxAttempts || passed()+pause >= c.cfg.CallTimeout || pause > 0 && !wait(ctx, pause) {
			return attempts, c.final(ctx, call, o, next.goodKey)
		}
		passed()
	}
}

// pauseAfter429 is Apple's wait, else the usual one.
func (c *Client) pauseAfter429(need Need, token Token, o outcome, usual time.Duration) time.Duration {
	if len(c.others(need, token)) > 0 {
		return 0 // another key may be free: the quota knows
	}
	if after, ok := RetryAfter(o.header, time.Now()); ok {
		return after
	}
	return usual
}

// turn is what the next attempt is made with.
type turn struct {
	need  Need
	keep  Token // empty: the quota chooses the key
	front bool

	goodKey bool // Apple refuses the call's token, but takes it for others
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
		permit, err := c.deps.Quota.Admit(
			ctx,
			Charge{Team: t.need.Team, Keys: keys, Method: t.need.Method, Template: t.need.Template, Front: t.front},
		)
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
// has worked before is tried again, and before it is taken out a call that it
// could do before is tried; one that has never worked is proven bad at once. Then
// another key of the team goes on with the call: what was refused was not
// executed.
func (c *Client) afterRefusal(
	ctx context.Context,
	next *turn,
	token Token,
	refused int,
	clockCorrected bool,
) (again bool, err error) {
	switch {
	case clockCorrected && refused <= 2:
		next.keep, err = c.deps.Tokens.Renew(ctx, token)
		return err == nil, err
	case !c.proven.has(token):
		c.deps.Tokens.Report(token, Answer{Refused: true})
		return c.without(next, token), nil
	case refused > 2:
		if c.verdict(ctx, token) == bad {
			return c.without(next, token), nil
		}
		next.goodKey = true // the refusal is this call's own
		return false, nil
	case refused == 1:
		next.keep = token
		return true, nil
	}
	next.keep, err = c.deps.Tokens.Renew(ctx, token)
	return err == nil, err
}

// without says whether another key can go on with the call.
func (c *Client) without(next *turn, token Token) bool {
	next.need.Avoid = append(slices.Clip(next.need.Avoid), token.KeyID)
	return len(c.others(next.need, token)) > 0
}

func transient(o outcome) bool {
	switch o.status {
	case 0,
		http.StatusInternalServerError,
		http.StatusBadGateway,
		http.StatusServiceUnavailable,
		http.StatusGatewayTimeout:
		return true
	}
	return false
}

// final is the fault of the last attempt.
func (c *Client) final(ctx context.Context, call *Call, o outcome, goodKey bool) error {
	if ctx.Err() != nil {
		return canceled(ctx, call, o)
	}
	var a *answered
	if errors.As(o.err, &a) {
		return a
	}
	f := fault.As(o.err)
	tooLarge := f.Reason == fault.ReasonUpstreamTooLarge // the answer says that it was executed, but not what came of it
	if call.Method != http.MethodGet && (transient(o) || tooLarge) && o.written {
		return outcomeUnknown(call, f)
	}
	if call.Method != http.MethodGet && errors.Is(o.err, errUnreadable) {
		return fault.ExecutedUnread(call.Method, "it cannot be read").WithCause(f)
	}
	if goodKey {
		f.Message = "App Store Connect refuses this request, though it takes the gateway's key for others"
	}
	return f
}

func canceled(ctx context.Context, call *Call, o outcome) error {
	if call.Method != http.MethodGet && o.written && transient(o) {
		return outcomeUnknown(call, fault.As(o.err))
	}
	return Ended(ctx).WithCause(o.err)
}

// Ended is the fault of a call whose context has ended.
func Ended(ctx context.Context) *fault.Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.New(
			fault.DeadlineExceeded,
			"DEADLINE_EXCEEDED",
			"Apple did not answer before the deadline",
		).WithCause(
			ctx.Err(),
		)
	}
	return fault.New(fault.Canceled, "CANCELLED", "the caller went away").WithCause(ctx.Err())
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
