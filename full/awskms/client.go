package awskms

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/outbound"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// Bounds of one connection, which carries one request.
const (
	connectTimeout = 5 * time.Second
	maxHeaderBytes = 64 << 10
	maxReadBytes   = 4 << 20 // of all that is received, TLS included
)

var (
	errRedirect = errors.New("awskms: a redirect is not followed")
	errTooMuch  = fmt.Errorf("awskms: more than %d bytes were received", maxReadBytes)
)

// newClient makes the SDK's own HTTP client, for KMS and for the services that
// credentials come from, with bounds. The SDK follows 307 and 308, without the
// credentials but with the request, and believes who answers there: here no
// redirect is followed.
func newClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(requestTimeout).WithTransportOptions(func(t *http.Transport) {
		dial := (&net.Dialer{Timeout: connectTimeout}).DialContext
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &limited{Conn: c, left: maxReadBytes}, nil
		}
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			if r.Response != nil { // the answer that redirects
				return nil, errRedirect
			}
			return http.ProxyFromEnvironment(r)
		}
		t.DisableKeepAlives, t.DisableCompression = true, true
		t.ForceAttemptHTTP2, t.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
		t.TLSHandshakeTimeout, t.MaxResponseHeaderBytes = connectTimeout, maxHeaderBytes
	})
}

// limited is a connection from which only so much can be read. Reads are not
// concurrent.
type limited struct {
	net.Conn
	left int
}

// Read implements [net.Conn].
func (l *limited) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooMuch
	}
	n, err := l.Conn.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}

// httpsOnly sends requests to https, or to loopback, whatever endpoint the
// environment names: they carry a session token.
type httpsOnly struct{ next kms.HTTPClient }

// Do implements [kms.HTTPClient].
func (c httpsOnly) Do(r *http.Request) (*http.Response, error) {
	if err := outbound.CheckURL(r.URL.Scheme + "://" + r.URL.Host); err != nil {
		return nil, endpointError{err}
	}
	return c.next.Do(r)
}

// endpointError says what is wrong with an endpoint.
type endpointError struct{ error }

// Error implements error.
func (e endpointError) Error() string { return "awskms: the endpoint: " + e.error.Error() }

// RetryableError tells the SDK that another try is of no use.
func (endpointError) RetryableError() bool { return false }

// told is an error without the credentials, which a server may have sent back.
func told(ctx context.Context, client *kms.Client, err error) error {
	var c aws.Credentials
	if p := client.Options().Credentials; p != nil {
		c, _ = p.Retrieve(ctx) // the SDK remembers them
	}
	return outbound.Told(err, c.SecretAccessKey, c.SessionToken)
}
