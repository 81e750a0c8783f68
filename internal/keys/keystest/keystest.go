// Package keystest is the contract of a custody: every backend of package keys
// runs it.
package keystest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/keys"
)

// Custody is a backend under test. What is nil is not tried: a file cannot hang.
type Custody struct {
	// Open puts a private key into the custody and opens it under the id "KID".
	Open func(t *testing.T, key *ecdsa.PrivateKey) (keys.Key, error)
	// Break makes the custody fail until the function returned is called.
	Break func(t *testing.T) (mend func())
	// Hang makes it answer nothing until the function returned is called.
	Hang func(t *testing.T) (mend func())
	// Lie makes it sign something else until the function returned is called.
	Lie func(t *testing.T) (mend func())
}

// Run runs the contract.
func Run(t *testing.T, c Custody) {
	private := newKey(t, elliptic.P256())
	k, err := c.Open(t, private)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("it has the id and the public key", func(t *testing.T) {
		if k.ID() != "KID" || !k.Public().Equal(&private.PublicKey) {
			t.Errorf("got %s", k.ID())
		}
	})
	t.Run("it signs, for many at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if err := signs(t.Context(), k, fmt.Sprint("text ", i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("it never prints itself", func(t *testing.T) {
		scalar, err := private.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		secret := fmt.Sprintf("%x", scalar)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			if s := fmt.Sprintf(verb, k); !strings.Contains(s, "[redacted]") || strings.Contains(s, secret) || len(s) > 100 {
				t.Errorf("%s prints %s", verb, s)
			}
		}
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "key", k)
		if strings.Contains(log.String(), secret) || strings.Contains(log.String(), new(big.Int).SetBytes(scalar).String()) {
			t.Errorf("the log says %s", &log)
		}
	})
	t.Run("another curve is refused", func(t *testing.T) {
		if _, err := c.Open(t, newKey(t, elliptic.P384())); err == nil || fault.As(err).Kind == fault.Internal {
			t.Errorf("got %v", err)
		}
	})
	if c.Break != nil {
		t.Run("an outage is a typed error, and ends", func(t *testing.T) { outage(t, k, c.Break(t)) })
	}
	if c.Hang != nil {
		t.Run("a custody that hangs is left when the caller leaves", func(t *testing.T) { hanging(t, k, c.Hang(t)) })
	}
	if c.Lie != nil {
		t.Run("a wrong signature is never used", func(t *testing.T) {
			mend := c.Lie(t)
			err := keys.SelfTest(t.Context(), k)
			mend()
			if fault.As(err).Reason != fault.ReasonKeyUnusable {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("its tokens verify", func(t *testing.T) {
		r := keys.NewRing(
			map[string][]keys.Credential{"team": {{ID: "KID", Key: k, Issuer: "I"}}},
			time.Now,
			slog.New(slog.DiscardHandler),
			nil,
		)
		defer r.Close()
		if _, err := r.Token(t.Context(), "team", "KID"); err != nil {
			t.Error(err)
		}
	})
}

func outage(t *testing.T, k keys.Key, mend func()) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err := k.SignDigest(ctx, sha256.Sum256([]byte("text")))
	mend()
	if f := fault.As(err); err == nil || f.Reason != fault.ReasonKeyUnusable {
		t.Errorf("got %v", err)
	}
	if err := signs(t.Context(), k, "again"); err != nil {
		t.Errorf("it does not recover: %v", err)
	}
}

func hanging(t *testing.T, k keys.Key, mend func()) {
	defer mend()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := k.SignDigest(ctx, sha256.Sum256([]byte("text")))
	if fault.As(err).Reason != fault.ReasonKeyUnusable || time.Since(start) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
	if !keys.Outage(err) {
		t.Errorf("it is not told from a key that is wrong: %v", err)
	}
}

func signs(ctx context.Context, k keys.Key, text string) error {
	digest := sha256.Sum256([]byte(text))
	sig, err := k.SignDigest(ctx, digest)
	if err != nil {
		return err
	}
	if !ecdsa.Verify(k.Public(), digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return fmt.Errorf("the signature does not verify")
	}
	return nil
}

func newKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
