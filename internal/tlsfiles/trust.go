package tlsfiles

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// clientsKept is how many client certificates are remembered as verified.
const clientsKept = 10_000

// verified remembers client certificates that were verified with the authorities
// of one generation.
type verified struct {
	until *lru.Cache[[sha256.Size]byte, time.Time] // the chain expires; zero: nobody vouches for it
}

func newVerified() *verified {
	c, _ := lru.New[[sha256.Size]byte, time.Time](clientsKept) // the size is positive
	return &verified{c}
}

// Errors of [Files.Trusts].
var (
	// ErrUntrusted is a certificate that no authority vouches for, or no longer.
	ErrUntrusted = errors.New("no configured authority vouches for the client's certificate")
	// ErrExpired is a certificate that an authority still vouches for, but whose
	// time has passed.
	ErrExpired = errors.New("the client's certificate has expired")
)

// Trusts says whether a client certificate is good by the authorities and the
// time of now: a connection may have begun when they were others. sent is all
// that the client sent in its handshake, its own certificate first
// ([tls.ConnectionState.PeerCertificates]). The error is [ErrUntrusted] or
// [ErrExpired].
//
// An answer is remembered until the files are read again, so that it can be
// asked at each call.
func (f *Files) Trusts(sent []*x509.Certificate) error {
	g := f.current.Load()
	if g.clientCAs == nil || len(sent) == 0 {
		return ErrUntrusted
	}
	now, id := f.now(), digest(sent)
	until, ok := g.clients.until.Get(id)
	if !ok {
		until = g.verify(sent, now)
		g.clients.until.Add(id, until)
	}
	switch {
	case until.IsZero():
		return ErrUntrusted
	case now.After(until):
		return ErrExpired
	}
	return nil
}

// verify says until when the chain of a client certificate is good; zero: it is
// not trusted. One that has expired is looked at as of its last moment.
func (g *generation) verify(sent []*x509.Certificate, now time.Time) (until time.Time) {
	between, at := x509.NewCertPool(), now
	for i, c := range sent {
		if i > 0 {
			between.AddCert(c)
		}
		if c.NotAfter.Before(at) {
			at = c.NotAfter
		}
	}
	chains, err := sent[0].Verify(x509.VerifyOptions{
		Roots:         g.clientCAs,
		Intermediates: between,
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return time.Time{}
	}
	for _, chain := range chains { // the one that lasts longest counts
		if end := lastMoment(chain); end.After(until) {
			until = end
		}
	}
	return until
}

// lastMoment is until when all certificates of a chain are valid.
func lastMoment(chain []*x509.Certificate) time.Time {
	end := chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end
}

func digest(sent []*x509.Certificate) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, c := range sent {
		h.Write(c.Raw)
	}
	h.Sum(sum[:0])
	return sum
}
