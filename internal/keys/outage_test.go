package keys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type webError int

func (e webError) Error() string       { return fmt.Sprint("status ", int(e)) }
func (e webError) HTTPStatusCode() int { return int(e) }

func TestOutageIsToldFromWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		away bool
	}{
		"away":                    {Away("K", "is not read"), true},
		"a timeout":               {context.DeadlineExceeded, true},
		"a refused connection":    {&net.OpError{Op: "dial", Err: errors.New("refused")}, true},
		"a name that is unknown":  {&net.DNSError{Name: "vault"}, true},
		"a broken answer":         {io.ErrUnexpectedEOF, true},
		"a web server's trouble":  {webError(503), true},
		"too many requests":       {webError(429), true},
		"an RPC server's trouble": {status.Error(codes.Unavailable, "x"), true},
		"a wrong key":             {Unusable("K", "not an EC key on P-256"), false},
		"a wrong file":            {errors.New("no PEM"), false},
		"no right":                {webError(403), false},
		"not there":               {status.Error(codes.NotFound, "x"), false},
		"a caller that left":      {context.Canceled, false},
		"none":                    {nil, false},
	} {
		if got := Outage(c.err); got != c.away {
			t.Errorf("%s: %v", name, got)
		}
		if c.err != nil && Outage(fmt.Errorf("team a: %w", Unusable("K", "x").WithCause(c.err))) != c.away {
			t.Errorf("%s, as a cause: not %v", name, c.away)
		}
	}
}

// TestAKeyThatIsNotOpenedYet is no reason to say that there is none.
func TestAKeyThatIsNotOpenedYet(t *testing.T) {
	k := newCounting(t, "B")
	away := Credential{ID: "A", Issuer: "I", Away: Away("A", "is not read").WithCause(errors.New("down"))}
	r, c := newRing(t, map[string][]Credential{"team": {away}, "two": {away, {ID: "B", Key: k, Issuer: "I"}}})
	_, err := take(t.Context(), r, read("/v1/apps"))
	if f := fault.As(err); f.Kind != fault.Unavailable || f.Reason != fault.ReasonKeyUnusable || f.RetryAfter <= 0 {
		t.Errorf("got %v", err)
	}
	if _, err := r.Token(t.Context(), "team", "A"); fault.As(err).Kind != fault.Unavailable {
		t.Errorf("got %v", err)
	}
	if token, err := take(t.Context(), r, asc.Need{Team: "two", Method: "GET", Template: "/v1/apps"}); err != nil || token.KeyID != "B" {
		t.Errorf("the other key is not used: %v %v", token.KeyID, err)
	}
	if s := r.Status()[0]; !s.Away || s.Unusable(c.Now()) != "its custody does not answer" {
		t.Errorf("got %+v", s)
	}
	r.Replace(map[string][]Credential{"team": {{ID: "A", Key: newCounting(t, "A"), Issuer: "I"}}})
	if _, err := take(t.Context(), r, read("/v1/apps")); err != nil {
		t.Error(err)
	}
}

func TestWhyAKeyCannotBeUsed(t *testing.T) {
	now := time.Now()
	failing := errors.New("down")
	for name, c := range map[string]struct {
		s    Status
		want string
	}{
		"active":                            {Status{State: Active}, ""},
		"canary":                            {Status{State: Canary}, ""},
		"pending":                           {Status{State: Pending}, "is pending"},
		"refused":                           {Status{State: Active, Broken: true}, "Apple refuses it"},
		"failing, with a token at hand":     {Status{State: Active, Failing: failing, Expires: now.Add(time.Minute)}, ""},
		"failing, when the token is over":   {Status{State: Active, Failing: failing, Expires: now}, "it does not sign"},
		"not opened, its custody is away":   {Status{State: Active, Away: true, Failing: context.DeadlineExceeded}, "its custody does not answer"},
		"not opened, and found to be wrong": {Status{State: Active, Away: true, Failing: failing}, "it cannot be opened"},
	} {
		if got := c.s.Unusable(now); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestACallerThatLeavesSaysNothingOfTheKey: no KEY_UNUSABLE for its own doing.
func TestACallerThatLeavesSaysNothingOfTheKey(t *testing.T) {
	k := newCounting(t, "K")
	k.hold = make(chan struct{})
	r, _ := newRing(t, map[string][]Credential{"team": {{ID: "K", Key: k, Issuer: "I"}}})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancelLate()
	for ctx, want := range map[context.Context]fault.Kind{gone: fault.Canceled, late: fault.DeadlineExceeded} {
		_, fetched := take(ctx, r, read("/v1/apps"))
		_, renewed := r.Renew(ctx, asc.Token{Team: "team", KeyID: "K"})
		_, minted := r.Mint(ctx, "team", "", nil, time.Minute)
		for how, err := range map[string]error{"fetched": fetched, "renewed": renewed, "minted": minted} {
			if f := fault.As(err); f.Kind != want || f.Reason == fault.ReasonKeyUnusable {
				t.Errorf("%s: got %v, want %v", how, err, want)
			}
		}
	}
	close(k.hold)
	settle(r)
	if s := r.Status()[0]; s.Failing != nil {
		t.Errorf("the key counts as failing: %v", s.Failing)
	}
}
