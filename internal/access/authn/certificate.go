package authn

import (
	"crypto/x509"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// MTLS believes client certificates that a configured authority has signed.
type MTLS struct {
	// TrustDomains are the SPIFFE trust domains to believe; empty: all that the
	// authority signs for.
	TrustDomains []string `json:"trust_domains"`
	// DNSNames are patterns of DNS names that name a caller, such as
	// *.ci.example.com; empty: certificates must have a SPIFFE id.
	DNSNames []string `json:"dns_names"`
}

func (m *MTLS) check() error {
	for _, d := range m.TrustDomains {
		if _, err := spiffeid.TrustDomainFromString(d); err != nil {
			return fmt.Errorf("mtls.trust_domains: %w", err)
		}
	}
	for _, n := range m.DNSNames {
		if _, err := path.Match(n, ""); err != nil || n == "" {
			return fmt.Errorf("mtls.dns_names: %q is no pattern", n)
		}
	}
	return nil
}

// principal is whom a certificate names: its one SPIFFE id, verbatim, else the
// first of its DNS names that is believed.
func (m *MTLS) principal(c *x509.Certificate) (*access.Principal, error) {
	for _, u := range c.URIs {
		if !strings.EqualFold(u.Scheme, "spiffe") {
			continue
		}
		if len(c.URIs) != 1 { // the SPIFFE standard: exactly one
			return nil, refused(errors.New("a SPIFFE certificate with several URIs"))
		}
		id, err := spiffeid.FromURI(u)
		if err != nil {
			return nil, refused(err)
		}
		if len(m.TrustDomains) > 0 && !slices.Contains(m.TrustDomains, id.TrustDomain().Name()) {
			return nil, refused(errors.New("another trust domain"))
		}
		return &access.Principal{ID: id.String()}, nil
	}
	for _, name := range c.DNSNames {
		name = strings.ToLower(name)
		if strings.ContainsAny(name, "*:/ ") {
			continue // names several
		}
		for _, pattern := range m.DNSNames {
			if ok, _ := path.Match(pattern, name); ok && strings.Count(pattern, ".") == strings.Count(name, ".") {
				return &access.Principal{ID: "dns:" + name}, nil
			}
		}
	}
	return nil, refused(errors.New("the certificate names nobody who is believed"))
}
