package command

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/internal/keys/vaulttest"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

const inVault = "{id: ONE1234567, issuer_id: " + sandbox.DefaultIssuer + ", uri: 'vault:asc'}"

// withVault is a place whose key is in a Vault, which listens or not.
func withVault(t *testing.T, entries ...string) (*place, *vaulttest.Vault) {
	t.Helper()
	p, v := newPlace(t), vaulttest.New(time.Now, time.Hour)
	h := httptest.NewServer(v)
	t.Cleanup(func() { v.Set(""); h.Close() })
	key, err := filekey.Private(p.key(t, "ONE1234567"))
	if err != nil {
		t.Fatal(err)
	}
	v.Put("asc", key)
	p.write(t, "vault-token", v.RootToken)
	p.write(t, "gateway.yaml", p.config(entries...)+"vault: {address: '"+h.URL+"', auth: {method: token, token_file: vault-token}}\n")
	return p, v
}

// TestACustodyThatIsAwayAtStart: the gateway starts, says why it is not ready, and
// becomes ready by itself.
func TestACustodyThatIsAwayAtStart(t *testing.T) {
	for _, mode := range []string{vaulttest.Sealed, vaulttest.Hang} {
		t.Run(mode, func(t *testing.T) {
			p, v := withVault(t, inVault)
			v.Set(mode)
			begun := time.Now()
			s := p.service(t)
			started := time.Since(begun)
			const want = "no key of any team can be used: key ONE1234567: its custody does not answer"
			if why := s.ready(); why != want || started > openTime+5*time.Second {
				t.Errorf("ready: %q after %v", why, started)
			}
			if code := get(s); code != http.StatusBadGateway {
				t.Errorf("a call: %d", code)
			}
			if mode == vaulttest.Sealed {
				s.reload(t.Context(), "while it is away") // must not forget that it is to be opened
			}
			ctx, cancel := context.WithCancel(t.Context())
			var reopening sync.WaitGroup
			reopening.Go(func() { s.reopen(ctx) })
			v.Set("")
			mended := time.Now()
			for deadline := mended.Add(20 * time.Second); s.ready() != "" && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			t.Logf("started after %v, ready %v after its custody was back", started.Round(time.Millisecond), time.Since(mended).Round(time.Millisecond))
			if why := s.ready(); why != "" {
				t.Errorf("it does not become ready: %s\n%s", why, p.log)
			}
			if code := get(s); code != http.StatusOK {
				t.Errorf("a call: %d", code)
			}
			cancel()
			reopening.Wait()
		})
	}
}

// TestACustodyThatIsAwayHurtsNoOtherKey.
func TestACustodyThatIsAwayHurtsNoOtherKey(t *testing.T) {
	p, v := withVault(t, inVault, entry("TWO1234567", "active"))
	p.key(t, "TWO1234567")
	v.Set(vaulttest.Sealed)
	s := p.service(t)
	if why, code := s.ready(), get(s); why != "" || code != http.StatusOK {
		t.Errorf("%q, %d", why, code)
	}
	if s.tryUnopened(t.Context()) {
		t.Error("nothing is tried again")
	}
	v.Set("")
	if !s.tryUnopened(t.Context()) || len(unopenedIn(s.cfg.Teams, s.held)) > 0 {
		t.Error("it is not opened")
	}
	if list := s.held["main"]; len(list) != 2 || list[0].ID != "ONE1234567" || list[0].Key == nil {
		t.Errorf("got %+v", list)
	}
}

// TestAKeyThatTurnsOutWrong when its custody is back is said to be so.
func TestAKeyThatTurnsOutWrong(t *testing.T) {
	p, v := withVault(t, inVault)
	v.Set(vaulttest.Sealed)
	s := p.service(t)
	wrong, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v.Put("asc", wrong)
	v.Set("")
	if s.tryUnopened(t.Context()) || !strings.Contains(s.ready(), "key ONE1234567: it cannot be opened") || !strings.Contains(p.log.String(), "a key cannot be opened") {
		t.Errorf("%q\n%s", s.ready(), p.log)
	}
}

// TestWhatIsWrongRefusesToStart, even beside a custody that is away.
func TestWhatIsWrongRefusesToStart(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, p *place, v *vaulttest.Vault)
		says  string
	}{
		"bad PEM": {func(t *testing.T, p *place, _ *vaulttest.Vault) {
			p.write(t, "AuthKey_TWO1234567.p8", "no key")
		}, "no PEM block"},
		"a file that all can read": {func(t *testing.T, p *place, _ *vaulttest.Vault) {
			if err := os.Chmod(filepath.Join(p.dir, "AuthKey_TWO1234567.p8"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "chmod 600"},
		"no file": {func(t *testing.T, p *place, _ *vaulttest.Vault) {
			if err := os.Remove(filepath.Join(p.dir, "AuthKey_TWO1234567.p8")); err != nil {
				t.Fatal(err)
			}
		}, "TWO1234567"},
		"a token that Vault refuses": {func(t *testing.T, p *place, v *vaulttest.Vault) {
			v.Set("")
			p.write(t, "vault-token", "another")
		}, "ONE1234567"},
		"another curve": {func(t *testing.T, p *place, v *vaulttest.Vault) {
			wrong, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			v.Set("")
			v.Put("asc", wrong)
		}, "ONE1234567"},
	} {
		t.Run(name, func(t *testing.T) {
			p, v := withVault(t, inVault, entry("TWO1234567", "active"))
			p.key(t, "TWO1234567")
			v.Set(vaulttest.Sealed)
			c.spoil(t, p, v)
			cfg, err := config.Read(filepath.Join(p.dir, "gateway.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			found := openKeys(t.Context(), cfg, nil, nil)
			if err := errors.Join(found.wrong...); err == nil || !strings.Contains(err.Error(), c.says) || keys.Outage(err) {
				t.Errorf("wrong: %v, away: %v", err, found.away)
			}
		})
	}
}

// TestReadyWhileAnyTeamHasAKey: one team's trouble, or a custody that is away while
// a token is at hand, takes no gateway out.
func TestReadyWhileAnyTeamHasAKey(t *testing.T) {
	p, v := withVault(t, inVault)
	s := p.service(t)
	if code := get(s); code != http.StatusOK {
		t.Fatal(code)
	}
	v.Set(vaulttest.Sealed)
	s.reload(t.Context(), "test")
	if why, code := s.ready(), get(s); why != "" || code != http.StatusOK {
		t.Errorf("a token is at hand, but: %q, %d", why, code)
	}
	other := map[string][]keys.Credential{"main": s.held["main"], "other": {{ID: "THREE12345", Issuer: "I", Key: s.held["main"][0].Key}}}
	s.ring.Replace(other)
	s.ring.Report(asc.Token{Team: "other", KeyID: "THREE12345"}, asc.Answer{Refused: true})
	if why := s.ready(); why != "" {
		t.Errorf("another team's key is refused: %q", why)
	}
	s.ring.Report(asc.Token{Team: "main", KeyID: "ONE1234567"}, asc.Answer{Refused: true})
	if why := s.ready(); !strings.Contains(why, "key ONE1234567: Apple refuses it") || !strings.Contains(why, "key THREE12345") {
		t.Errorf("got %q", why)
	}
}
