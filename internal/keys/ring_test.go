package keys

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fromPrivate(id string, k *ecdsa.PrivateKey) Key { return &memory{id, k} }

// memory is a key in memory.
type memory struct {
	id  string
	key *ecdsa.PrivateKey
}

func (m *memory) ID() string               { return m.id }
func (m *memory) Public() *ecdsa.PublicKey { return &m.key.PublicKey }
func (m *memory) SignDigest(_ context.Context, d [32]byte) (sig [64]byte, err error) {
	r, s, err := ecdsa.Sign(rand.Reader, m.key, d[:])
	if err == nil {
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
	}
	return sig, err
}

func newP256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// counting signs like a real key, and counts.
type counting struct {
	*memory
	n    atomic.Int32
	fail atomic.Bool
	hold chan struct{} // signs only when it is closed
}

func (c *counting) SignDigest(ctx context.Context, d [32]byte) ([64]byte, error) {
	c.n.Add(1)
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
			return [64]byte{}, ctx.Err()
		}
	}
	if c.fail.Load() {
		return [64]byte{}, errors.New("the key is away")
	}
	return c.memory.SignDigest(ctx, d)
}

func newCounting(t testing.TB, id string) *counting {
	return &counting{memory: &memory{id, newP256(t)}}
}

type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}
func (c *clock) Now() time.Time          { return time.Unix(0, c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

var quiet = slog.New(slog.DiscardHandler)

func newRing(t testing.TB, teams map[string][]Credential) (*Ring, *clock) {
	t.Helper()
	c := newClock()
	r := NewRing(teams, c.Now, quiet, nil)
	t.Cleanup(r.Close)
	return r, c
}

var turn atomic.Uint64

// take gets a token as a client does: of the preferred keys in turn.
func take(ctx context.Context, r *Ring, need asc.Need) (asc.Token, error) {
	keys, err := r.Candidates(need)
	if err != nil {
		return asc.Token{}, err
	}
	n := 1
	for n < len(keys) && keys[n].Rank == keys[0].Rank {
		n++
	}
	return r.Token(ctx, need.Team, keys[turn.Add(1)%uint64(n)].KeyID)
}

func read(template string) asc.Need {
	return asc.Need{Team: "team", Method: "GET", Template: template}
}

func TestTokenSaysWhatAppleWants(t *testing.T) {
	k := newCounting(t, "KID")
	r, c := newRing(t, map[string][]Credential{
		"team": {{ID: "KID", Key: k, Issuer: "ISSUER"}}, "person": {{ID: "KID", Key: k}}, "big": {{ID: "KID", Key: k, Issuer: "I", Audience: EnterpriseAudience}}})
	for team, want := range map[string]jwt.MapClaims{
		"team":   {"iss": "ISSUER", "aud": "appstoreconnect-v1"},
		"person": {"sub": "user", "aud": "appstoreconnect-v1"},
		"big":    {"iss": "I", "aud": "apple-developer-enterprise-v1"},
	} {
		token, err := take(t.Context(), r, asc.Need{Team: team, Method: "GET", Template: "/v1/apps"})
		if err != nil {
			t.Fatal(err)
		}
		claims := parse(t, token.Bearer, k, c)
		iat, exp := claims["iat"].(float64), claims["exp"].(float64)
		if now := float64(c.Now().Unix()); iat != now-60 || exp-iat != 15*60 {
			t.Errorf("%s: iat %v exp %v now %v", team, iat, exp, now)
		}
		delete(claims, "iat")
		delete(claims, "exp")
		if fmt.Sprint(claims) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", team, claims, want)
		}
	}
}

func parse(t *testing.T, bearer string, k Key, c *clock) jwt.MapClaims {
	t.Helper()
	claims := jwt.MapClaims{}
	parsed, err := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithTimeFunc(c.Now)).ParseWithClaims(bearer, claims, func(*jwt.Token) (any, error) { return k.Public(), nil })
	if err != nil || parsed.Header["kid"] != k.ID() || parsed.Header["typ"] != "JWT" {
		t.Fatalf("%v %v", parsed, err)
	}
	return claims
}

func TestOneSignatureForAThousandCallers(t *testing.T) {
	k := newCounting(t, "K")
	k.hold = make(chan struct{})
	r, _ := newRing(t, map[string][]Credential{"team": {{ID: "K", Key: k, Issuer: "I"}}})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := take(gone, r, read("/v1/apps")); fault.As(err).Kind != fault.Canceled { // the first caller goes away
		t.Errorf("got %v", err)
	}
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if _, err := take(t.Context(), r, read("/v1/apps")); err != nil {
				t.Error(err)
			}
		})
	}
	close(k.hold)
	wg.Wait()
	if k.n.Load() != 1 {
		t.Errorf("%d signatures", k.n.Load())
	}
}

// settle waits until nothing is being signed.
func settle(r *Ring) { r.signer.Wait() }

// TestAnOutageOfTheKey is the row "KMS down" of the degradation table.
func TestAnOutageOfTheKey(t *testing.T) {
	k := newCounting(t, "K")
	r, c := newRing(t, map[string][]Credential{"team": {{ID: "K", Key: k, Issuer: "I"}}})
	token := func() (asc.Token, error) { return take(t.Context(), r, read("/v1/apps")) }
	first, _ := token()
	c.advance(refreshAt - jitterMax - time.Second)
	if again, _ := token(); again != first || k.n.Load() != 1 {
		t.Error("refreshed too early")
	}
	k.fail.Store(true)
	c.advance(jitterMax + 2*time.Second)
	for range 5 {
		if again, err := token(); again != first || err != nil {
			t.Errorf("an outage ends a good token: %v", err)
		}
		settle(r)
	}
	if n := k.n.Load(); n != 2 {
		t.Errorf("a key that is away was asked %d times at once", n)
	}
	c.advance(lifetime)
	_, err := token()
	if f := fault.As(err); f.Kind != fault.Unavailable || f.Reason != fault.ReasonKeyUnusable || f.RetryAfter <= 0 {
		t.Errorf("an expired token was given, or: %v", err)
	}
	if s := r.Status(); len(s) != 1 || s[0].Failing == nil {
		t.Errorf("it does not show: %+v", s)
	}
	k.fail.Store(false)
	c.advance(retryMost)
	if again, err := token(); err != nil || again == first {
		t.Errorf("it does not recover: %v", err)
	}
}

func TestNobodyWaitsWhileATokenIsGood(t *testing.T) {
	k := newCounting(t, "K")
	r, c := newRing(t, map[string][]Credential{"team": {{ID: "K", Key: k, Issuer: "I"}}})
	first, _ := take(t.Context(), r, read("/v1/apps"))
	k.hold = make(chan struct{})
	c.advance(refreshAt)
	for range 100 {
		if again, err := take(t.Context(), r, read("/v1/apps")); err != nil || again != first {
			t.Fatal(err)
		}
	}
	close(k.hold)
	settle(r)
	if next, _ := take(t.Context(), r, read("/v1/apps")); next == first || k.n.Load() != 2 {
		t.Errorf("%d signatures", k.n.Load())
	}
}

func TestRenewMakesOneNewToken(t *testing.T) {
	k := newCounting(t, "K")
	r, c := newRing(t, map[string][]Credential{"team": {{ID: "K", Key: k, Issuer: "I"}}})
	first, _ := take(t.Context(), r, read("/v1/apps"))
	c.advance(time.Second)
	second, err := r.Renew(t.Context(), first)
	if err != nil || second.Bearer == first.Bearer {
		t.Fatal(err)
	}
	if third, _ := r.Renew(t.Context(), first); third != second || k.n.Load() != 2 {
		t.Errorf("%d signatures", k.n.Load())
	}
}

func TestTheKeyThatMayDoIt(t *testing.T) {
	team, person := newCounting(t, "TEAM"), newCounting(t, "PERSON")
	finance, sales := newCounting(t, "FINANCE"), newCounting(t, "SALES")
	for _, c := range []struct {
		name     string
		keys     []Credential
		template string
		want     string // key ids, or a reason
	}{
		{"no individual key for provisioning", []Credential{{ID: "PERSON", Key: person}, {ID: "TEAM", Key: team, Issuer: "I"}}, "/v1/profiles/{id}/certificates", "TEAM"},
		{"nor for finance", []Credential{{ID: "PERSON", Key: person}}, "/v1/financeReports", ReasonKeyNotAllowed},
		{"nor for sales", []Credential{{ID: "PERSON", Key: person, Roles: []Role{Sales}}}, "/v1/salesReports", ReasonKeyNotAllowed},
		{"both for apps", []Credential{{ID: "PERSON", Key: person}, {ID: "TEAM", Key: team, Issuer: "I"}}, "/v1/apps/{id}", "PERSON TEAM"},
		{"the narrowest role first", []Credential{{ID: "TEAM", Key: team, Issuer: "I"}, {ID: "SALES", Key: sales, Issuer: "I", Roles: []Role{Sales}}}, "/v1/salesReports", "SALES"},
		{"roles that do not reach", []Credential{{ID: "FINANCE", Key: finance, Issuer: "I", Roles: []Role{Finance}}}, "/v1/apps", ReasonKeyNotAllowed},
		{"only an administrator sees people", []Credential{{ID: "SALES", Key: sales, Issuer: "I", Roles: []Role{Developer}}, {ID: "TEAM", Key: team, Issuer: "I", Roles: []Role{Admin}}}, "/v1/users", "TEAM"},
		{"pending, retired", []Credential{{ID: "TEAM", Key: team, Issuer: "I", State: Pending}, {ID: "OLD", State: Retired}}, "/v1/apps", ReasonNoKey},
		{"draining keys are better than none", []Credential{{ID: "TEAM", Key: team, Issuer: "I", State: Draining}}, "/v1/apps", "TEAM"},
		{"active before draining", []Credential{{ID: "TEAM", Key: team, Issuer: "I", State: Draining}, {ID: "SALES", Key: sales, Issuer: "I"}}, "/v1/apps", "SALES"},
		{"a lone canary sings all", []Credential{{ID: "TEAM", Key: team, Issuer: "I", State: Canary}}, "/v1/apps", "TEAM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := newRing(t, map[string][]Credential{"team": c.keys})
			var got []string
			for range 10 {
				token, err := take(t.Context(), r, read(c.template))
				used := token.KeyID
				if err != nil {
					used = fault.As(err).Reason
				}
				if !slices.Contains(got, used) {
					got = append(got, used)
				}
			}
			slices.Sort(got)
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func TestACanaryGetsAShareOfTheReads(t *testing.T) {
	active, canary := newCounting(t, "A"), newCounting(t, "C")
	r, _ := newRing(t, map[string][]Credential{"team": {{ID: "A", Key: active, Issuer: "I"}, {ID: "C", Key: canary, Issuer: "I", State: Canary}}})
	n := map[string]int{}
	for i := range 400 {
		need := read("/v1/apps")
		if i%2 == 1 {
			need.Method = "POST"
		}
		token, err := take(t.Context(), r, need)
		if err != nil {
			t.Fatal(err)
		}
		n[need.Method+token.KeyID]++
	}
	if n["GETC"] == 0 || n["GETC"] > 20 || n["POSTC"] != 0 {
		t.Errorf("got %v", n)
	}
}

func TestAKeyThatAppleRefusesIsLeftAlone(t *testing.T) {
	a, b := newCounting(t, "A"), newCounting(t, "B")
	r, c := newRing(t, map[string][]Credential{"team": {{ID: "A", Key: a, Issuer: "I"}, {ID: "B", Key: b, Issuer: "I"}}, "one": {{ID: "A", Key: a, Issuer: "I"}}})
	r.Report(asc.Token{Team: "team", KeyID: "A"}, asc.Answer{Refused: true})
	for range 20 {
		if token, err := take(t.Context(), r, read("/v1/apps")); err != nil || token.KeyID != "B" {
			t.Fatalf("got %v %v", token.KeyID, err)
		}
	}
	one := asc.Need{Team: "one", Method: "POST", Template: "/v1/apps"}
	token, err := take(t.Context(), r, one)
	if err != nil {
		t.Fatal(err)
	}
	r.Report(token, asc.Answer{Refused: true})
	_, err = take(t.Context(), r, one)
	if f := fault.As(err); f.Kind != fault.FailedPrecondition || f.Reason != fault.ReasonUpstreamCredentials || f.RetryAfter < 50*time.Second {
		t.Errorf("got %v", err)
	}
	c.advance(brokenFor)
	if _, err := take(t.Context(), r, one); err != nil {
		t.Errorf("no probe: %v", err)
	}
	if _, err := take(t.Context(), r, one); err == nil {
		t.Error("two probes at once")
	}
	r.Report(token, asc.Answer{Success: true})
	if _, err := take(t.Context(), r, one); err != nil {
		t.Errorf("it does not recover: %v", err)
	}
}

// TestAClockStep is the row "clock step" of the degradation table, without the
// network: TestAClockThatIsWrong has it.
func TestAClockStep(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		var s skew
		now := newClock().Now()
		if s.sample(now.Add(step), now, time.Second, false, quiet) || s.correction() != 0 {
			t.Error("one answer is believed")
		}
		s.sample(now.Add(step), now, time.Second, false, quiet)
		if !s.sample(now.Add(step), now, time.Second, false, quiet) || (s.correction()-step).Abs() > 2*time.Second {
			t.Errorf("three answers are not believed: %v", s.correction())
		}
		var refused skew
		if !refused.sample(now.Add(step), now, time.Second, true, quiet) || (refused.correction()-step).Abs() > 2*time.Second {
			t.Error("a refusal is not believed at once")
		}
		if refused.sample(now.Add(step), now, 10*time.Second, true, quiet) {
			t.Error("a slow answer is believed")
		}
	}
}

// upstream is a sandbox over HTTP.
func upstream(t testing.TB, cfg sandbox.World) (*sandbox.Sandbox, *httptest.Server) {
	t.Helper()
	s, err := sandbox.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, h
}

// TestAClockThatIsWrong lets the sandbox refuse tokens of a clock that is an
// hour off: by the Date of the refusal the next one is right.
func TestAClockThatIsWrong(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		s, h := upstream(t, sandbox.World{})
		private, err := s.NewKey("K")
		if err != nil {
			t.Fatal(err)
		}
		r := NewRing(map[string][]Credential{"team": {{ID: "K", Key: fromPrivate("K", private), Issuer: sandbox.DefaultIssuer}}},
			func() time.Time { return time.Now().Add(step) }, quiet, nil)
		client, err := asc.New(asc.Config{BaseURL: h.URL}, asc.Deps{Tokens: r})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Do(t.Context(), &asc.Call{Team: "team", Method: "GET", Template: "/v1/apps", Path: "/v1/apps"}); err != nil {
			t.Errorf("%v: %v", step, err)
		}
		if (r.Skew() + step).Abs() > 3*time.Second {
			t.Errorf("%v: skew %v", step, r.Skew())
		}
		client.Close()
		r.Close()
	}
}

// TestRotationUnderLoad takes a team from one key to another, through every
// state, while calls are made: none may fail.
func TestRotationUnderLoad(t *testing.T) {
	s, h := upstream(t, sandbox.World{HourLimit: 1 << 30})
	one, _ := s.NewKey("ONE")
	two, _ := s.NewKey("TWO")
	at := func(first, second State) map[string][]Credential {
		list := []Credential{{ID: "ONE", Key: fromPrivate("ONE", one), Issuer: sandbox.DefaultIssuer, State: first}}
		if first == Retired {
			list[0].Key = nil
		}
		if second != "" {
			list = append(list, Credential{ID: "TWO", Key: fromPrivate("TWO", two), Issuer: sandbox.DefaultIssuer, State: second})
		}
		return map[string][]Credential{"team": list}
	}
	r := NewRing(at(Active, ""), time.Now, quiet, nil)
	client, err := asc.New(asc.Config{BaseURL: h.URL}, asc.Deps{Tokens: r})
	if err != nil {
		t.Fatal(err)
	}
	var calls, failed atomic.Int32
	var used sync.Map
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				rec := &asc.Record{}
				_, err := client.Do(asc.NewContext(t.Context(), rec, nil), &asc.Call{Team: "team", Method: "GET", Template: "/v1/territories", Path: "/v1/territories", Query: "limit=1"})
				if calls.Add(1); err != nil {
					failed.Add(1)
					t.Error(err)
				}
				used.Store(rec.Made().KeyID, true)
			}
		})
	}
	steps := [][2]State{{Active, Pending}, {Active, Canary}, {Active, Active}, {Draining, Active}, {Retired, Active}}
	for _, step := range steps {
		for before := calls.Load(); calls.Load() < before+300; {
			time.Sleep(time.Millisecond)
		}
		r.Replace(at(step[0], step[1]))
	}
	for before := calls.Load(); calls.Load() < before+300; {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	client.Close()
	r.Close()
	_, both := used.Load("TWO")
	t.Logf("%d calls while the key was rotated, %d failed", calls.Load(), failed.Load())
	if failed.Load() > 0 || !both {
		t.Errorf("%d failed; the second key was used: %v", failed.Load(), both)
	}
}

// TestA401OnOnePathLeavesTheKeyInUse asks a real server that refuses one path to
// every key: the ring keeps the key, and other calls go on.
func TestA401OnOnePathLeavesTheKeyInUse(t *testing.T) {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/v1/odd" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = w.Write([]byte(`{"data":[]}`))
	}))
	defer h.Close()
	r, _ := newRing(t, map[string][]Credential{"team": {{ID: "K", Key: newCounting(t, "K"), Issuer: "I"}}})
	client, err := asc.New(asc.Config{BaseURL: h.URL}, asc.Deps{Tokens: r})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	call := func(path string) error {
		_, err := client.Do(t.Context(), &asc.Call{Team: "team", Method: "GET", Template: path, Path: path})
		return err
	}
	for _, path := range []string{"/v1/apps", "/v1/odd", "/v1/odd", "/v1/apps"} {
		if err := call(path); (err != nil) != (path == "/v1/odd") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if r.Status()[0].Broken {
		t.Error("one path took the key out")
	}
}

// TestABadCanaryHurtsNobody gives a team a canary that Apple does not know.
func TestABadCanaryHurtsNobody(t *testing.T) {
	s, h := upstream(t, sandbox.World{HourLimit: 1 << 30})
	good, _ := s.NewKey("GOOD")
	r := NewRing(map[string][]Credential{"team": {{ID: "GOOD", Key: fromPrivate("GOOD", good), Issuer: sandbox.DefaultIssuer},
		{ID: "BAD", Key: fromPrivate("BAD", newP256(t)), Issuer: sandbox.DefaultIssuer, State: Canary}}}, time.Now, quiet, nil)
	client, err := asc.New(asc.Config{BaseURL: h.URL}, asc.Deps{Tokens: r})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := client.Do(t.Context(), &asc.Call{Team: "team", Method: "GET", Template: "/v1/apps", Path: "/v1/apps", Query: "limit=1"}); err != nil {
			t.Fatal(err)
		}
	}
	if st := r.Status(); !st[1].Broken || st[0].Broken {
		t.Errorf("got %+v", st)
	}
	client.Close()
	r.Close()
}

func TestMintIsNarrowAndShort(t *testing.T) {
	k := newCounting(t, "K")
	r, c := newRing(t, map[string][]Credential{"team": {{ID: "K", Key: k, Issuer: "I"}}})
	m, err := r.Mint(t.Context(), "team", "", []string{"GET /v1/apps"}, 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	claims := parse(t, m.Bearer, k, c)
	if fmt.Sprint(claims["scope"]) != "[GET /v1/apps]" || int64(claims["exp"].(float64)) != c.Now().Add(10*time.Minute).Unix() {
		t.Errorf("got %v", claims)
	}
	if own, _ := take(t.Context(), r, read("/v1/apps")); own.Bearer == m.Bearer {
		t.Error("the gateway's own token is given away")
	}
	if s := fmt.Sprintf("%v %+v %s", m, m, m.Token); strings.Contains(s, m.Bearer) {
		t.Errorf("it prints itself: %s", s)
	}
	if _, err := r.Mint(t.Context(), "team", "OTHER", nil, time.Minute); fault.As(err).Reason != ReasonNoKey {
		t.Errorf("got %v", err)
	}
}

func TestACachedTokenCostsNoAllocation(t *testing.T) {
	a, b := newCounting(t, "A"), newCounting(t, "B")
	r, _ := newRing(t, map[string][]Credential{"team": {{ID: "A", Key: a, Issuer: "I"}, {ID: "B", Key: b, Issuer: "I", Roles: []Role{Admin}}}})
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = take(ctx, r, read("/v1/apps/{id}")) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The goal: at most 100 ns and no allocation.
func BenchmarkCachedToken(b *testing.B) {
	r := NewRing(map[string][]Credential{"team": {{ID: "K", Key: newCounting(b, "K"), Issuer: "I"}}}, time.Now, quiet, nil)
	defer r.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := take(b.Context(), r, read("/v1/apps/{id}")); err != nil {
			b.Fatal(err)
		}
	}
}
