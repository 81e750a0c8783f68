package tokens

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	tokensv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/tokens/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"google.golang.org/protobuf/types/known/durationpb"
)

// mint is a ring that signs anything, and remembers it.
type mint struct{ scopes [][]string }

func (m *mint) Mint(_ context.Context, team, _ string, scope []string, life time.Duration) (*keys.Minted, error) {
	m.scopes = append(m.scopes, scope)
	token := asc.Token{Bearer: "bearer", Team: team, KeyID: "KEY"}
	return &keys.Minted{Token: token, Scope: scope, Expires: time.Unix(0, 0).Add(life)}, nil
}

// world is a service whose callers may read /v1/apps and nothing else.
func world(record Recorder) (*Service, *mint, *[]string) {
	m, asked := &mint{}, &[]string{}
	if record == nil {
		record = func(context.Context, Grant) error { return nil }
	}
	may := func(ctx context.Context, team, verb, target string) error {
		*asked = append(*asked, access.FromContext(ctx).ID+" "+team+" "+verb+" "+target)
		if verb != "GET" || !strings.HasPrefix(target, "/v1/apps") {
			return fault.New(fault.PermissionDenied, "POLICY_DENIED", "no")
		}
		return nil
	}
	return New(Config{Enabled: true}, m, record, func(context.Context) string { return "main" }, may), m, asked
}

func caller(t *testing.T) context.Context {
	return access.NewContext(t.Context(), &access.Principal{ID: "token:ci"})
}

func TestScope(t *testing.T) {
	for _, c := range []struct {
		name  string
		scope []string
		want  fault.Kind
	}{
		{"none", nil, fault.InvalidArgument},
		{"an empty one", []string{""}, fault.InvalidArgument},
		{"one request", []string{"GET /v1/apps?filter[platform]=IOS"}, granted},
		{"several", []string{"GET /v1/apps", "GET /v1/apps/1"}, granted},
		{"the second is not allowed", []string{"GET /v1/apps", "GET /v1/users"}, fault.PermissionDenied},
		{"another verb", []string{"DELETE /v1/apps/1"}, fault.PermissionDenied},
		{"no verb of Apple's", []string{"TRACE /v1/apps"}, fault.InvalidArgument},
		{"a star for a verb", []string{"* /v1/apps"}, fault.InvalidArgument},
		{"small letters", []string{"get /v1/apps"}, fault.InvalidArgument},
		{"no path", []string{"GET"}, fault.InvalidArgument},
		{"a relative path", []string{"GET v1/apps"}, fault.InvalidArgument},
		{"another host", []string{"GET https://example.com/v1/apps"}, fault.InvalidArgument},
		{"two slashes", []string{"GET //v1/apps"}, fault.InvalidArgument},
		{"too many", slices.Repeat([]string{"GET /v1/apps"}, maxScope+1), fault.InvalidArgument},
		{"too long", []string{"GET /v1/apps?a=" + strings.Repeat("b", maxScopeBytes)}, fault.InvalidArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, minted, asked := world(nil)
			res, err := s.MintToken(caller(t), &tokensv1.MintTokenRequest{Scope: c.scope})
			if got := kindOf(err); got != c.want {
				t.Fatalf("got %v (%v), want %v", got, err, c.want)
			}
			if (err == nil) != (len(minted.scopes) == 1) || err == nil && !slices.Equal(minted.scopes[0], c.scope) {
				t.Errorf("minted %q", minted.scopes)
			}
			if err == nil && (!slices.Equal(res.GetScope(), c.scope) || len(*asked) != len(c.scope) || (*asked)[0] != "token:ci main "+c.scope[0]) {
				t.Errorf("got %v, asked %q", res.GetScope(), *asked)
			}
		})
	}
}

// granted is no kind of fault.
const granted fault.Kind = 255

func kindOf(err error) fault.Kind {
	if err == nil {
		return granted
	}
	return fault.As(err).Kind
}

func TestBounds(t *testing.T) {
	s, minted, _ := world(nil)
	scope := []string{"GET /v1/apps"}
	for life, want := range map[time.Duration]fault.Kind{time.Second: fault.InvalidArgument, time.Hour: fault.InvalidArgument, -time.Minute: fault.InvalidArgument, time.Minute: granted} {
		if _, err := s.MintToken(caller(t), &tokensv1.MintTokenRequest{Scope: scope, Lifetime: durationpb.New(life)}); kindOf(err) != want {
			t.Errorf("%v: %v, want %v", life, err, want)
		}
	}
	for range 2 * perMinute { // what is refused costs nothing of the caller's tokens
		_, _ = s.MintToken(caller(t), &tokensv1.MintTokenRequest{Scope: []string{"GET /v1/users"}})
	}
	for range 2 * perMinute {
		_, _ = s.MintToken(caller(t), &tokensv1.MintTokenRequest{Scope: scope})
	}
	_, err := s.MintToken(caller(t), &tokensv1.MintTokenRequest{Scope: scope})
	if f := fault.As(err); f == nil || f.Reason != ReasonTooMany || f.RetryAfter <= 0 || len(minted.scopes) != perMinute {
		t.Errorf("%d tokens, %v", len(minted.scopes), err)
	}
	s.Configure(Config{})
	if _, err := s.MintToken(caller(t), &tokensv1.MintTokenRequest{}); fault.As(err).Reason != ReasonDisabled {
		t.Errorf("got %v", err)
	}
}

// TestNoTokenWithoutARecord holds that nobody gets what is not on record.
func TestNoTokenWithoutARecord(t *testing.T) {
	s, _, _ := world(func(context.Context, Grant) error { return fault.New(fault.Unavailable, "AUDIT_UNAVAILABLE", "no") })
	res, err := s.MintToken(caller(t), &tokensv1.MintTokenRequest{Scope: []string{"GET /v1/apps"}})
	if res != nil || kindOf(err) != fault.Unavailable {
		t.Errorf("got %v, %v", res, err)
	}
}
