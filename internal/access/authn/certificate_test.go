package authn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// TestTrustIsAskedAtEachCall: the handshake's verdict is old, and what the
// client sent reaches who decides now, over HTTP and over gRPC.
func TestTrustIsAskedAtEachCall(t *testing.T) {
	leaf := &x509.Certificate{URIs: []*url.URL{uri("spiffe://example.org/x")}}
	between := &x509.Certificate{}
	state := tls.ConnectionState{
		PeerCertificates: []*x509.Certificate{leaf, between},
		VerifiedChains:   [][]*x509.Certificate{{leaf, between, {}}},
	}
	gone := errors.New("gone")
	var verdict error
	a, err := New(Config{MTLS: &MTLS{}}, Deps{Trusts: func(sent []*x509.Certificate) error {
		if len(sent) != 2 || sent[0] != leaf || sent[1] != between {
			t.Errorf("asked about %v", sent)
		}
		return verdict
	}})
	if err != nil {
		t.Fatal(err)
	}
	overGRPC := peer.NewContext(context.Background(), &peer.Peer{AuthInfo: credentials.TLSInfo{State: state}})
	for name, c := range map[string]Credentials{"HTTP": FromRequest(&http.Request{TLS: &state}), "gRPC": FromPeer(overGRPC)} {
		for _, verdict = range []error{nil, gone, nil} {
			who, err := a.Authenticate(t.Context(), c)
			if verdict == nil && (err != nil || who.ID != "spiffe://example.org/x") {
				t.Errorf("%s: %v %v", name, who, err)
			}
			if verdict != nil && (!errors.Is(err, gone) || fault.As(err).Kind != fault.Unauthenticated) {
				t.Errorf("%s: a removed authority is believed: %v %v", name, who, err)
			}
		}
	}
}
