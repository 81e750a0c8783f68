// Package transfer moves bytes between the gateway and the URLs that answers of
// Apple's hold: parts of uploads, and files. Such URLs are secret and need no
// token.
//
// A URL must be https on an allowed host, or on the upstream's own origin. No
// redirect is followed, no token is sent, and no URL is in a log or an error.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Reasons.
const (
	ReasonForeignHost = "UPLOAD_HOST_REFUSED"  // the URL is on no host that is allowed
	ReasonRedirected  = "UPLOAD_REDIRECTED"    // the host answered with another URL
	ReasonExpired     = "UPLOAD_EXPIRED"       // the URL no longer works
	ReasonRefused     = "UPLOAD_PART_REFUSED"  // the host does not take these bytes
	ReasonUnavailable = "UPLOAD_UNAVAILABLE"   // no answer, or one that says: again
	ReasonBadURL      = "UPLOAD_URL_MALFORMED" // what Apple gave is no URL that can be used
)

// Defaults of [Config].
const (
	DefaultStall = time.Minute
	maxURLBytes  = 16 << 10 // presigned URLs have some hundred
	maxHeaders   = 32
	maxAnswer    = 64 << 10 // bytes of an answer that are read, so that the connection can be used again
)

// Hosts are those that URLs of Apple's may be on.
type Hosts struct {
	Own      *url.URL // origin of the upstream, which may be http; nil: none
	Suffixes []string // such as apple.com: the host itself and all below it
	Any      bool     // every host, by https
}

// Allow reads a URL, and says whether it may be used.
func (h Hosts) Allow(link string) (*url.URL, error) {
	u, err := url.Parse(link)
	if err != nil || len(link) > maxURLBytes || u.User != nil || u.Opaque != "" || u.Hostname() == "" ||
		u.Fragment != "" {
		return nil, fault.New(fault.Unavailable, ReasonBadURL, "Apple gave no URL that can be used")
	}
	if h.Own != nil && origin(u) == origin(h.Own) {
		return u, nil
	}
	if u.Scheme == "https" && (h.Any || h.listed(u)) {
		return u, nil
	}
	return nil, fault.New(fault.Unavailable, ReasonForeignHost, "Apple gave a URL on a host that is not allowed: %s",
		clip(u.Scheme+"://"+u.Hostname()))
}

func (h Hosts) listed(u *url.URL) bool {
	if p := u.Port(); p != "" && p != "443" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	for _, s := range h.Suffixes {
		if host == s || strings.HasSuffix(host, "."+s) {
			return true
		}
	}
	return false
}

// origin is a URL's scheme, host and port.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

func clip(s string) string { return s[:min(len(s), 100)] }

// CheckSuffix returns an error for what is no name of hosts such as apple.com.
func CheckSuffix(s string) error {
	if u, err := url.Parse("https://" + s); err != nil || u.Host != s || u.Port() != "" || net.ParseIP(s) != nil ||
		strings.ToLower(s) != s || strings.Trim(s, ".*") != s || !strings.Contains(s, ".") {
		return fmt.Errorf("%q: want the name of a host, such as apple.com: it stands for all below it too", clip(s))
	}
	return nil
}

// Config of a client.
type Config struct {
	Hosts Hosts
	Proxy func(*http.Request) (*url.URL, error) // nil: none
	Stall time.Duration                         // without a byte, or without an answer; 0: 1 min
}

// Client sends and reads. It is safe for concurrent use.
type Client struct {
	cfg  Config
	send *http.Transport
}

// New makes a client. Its connections speak HTTP/1.1: several are faster than one
// that is shared.
func New(cfg Config) *Client {
	if cfg.Stall <= 0 {
		cfg.Stall = DefaultStall
	}
	return &Client{cfg: cfg, send: &http.Transport{
		Proxy:                  cfg.Proxy,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConns:           128,
		MaxIdleConnsPerHost:    64,
		MaxResponseHeaderBytes: maxAnswer,
		DisableCompression:     true,
		WriteBufferSize:        64 << 10,
	}}
}

// Close gives idle connections up.
func (c *Client) Close() { c.send.CloseIdleConnections() }

// Header is one header of a request.
type Header struct{ Name, Value string }

// Part is what is sent to one URL.
type Part struct {
	Method  string // "": PUT
	URL     string
	Headers []Header
	Body    io.Reader
	Length  int64 // bytes
}

// Put sends a part once. A fault of the kind Unavailable with the reason
// [ReasonUnavailable] may be tried again with the same bytes; other faults will
// come again.
func (c *Client) Put(ctx context.Context, p Part) error {
	if p.Method == "" {
		p.Method = http.MethodPut
	}
	if p.Method != http.MethodPut && p.Method != http.MethodPost {
		return fault.New(fault.Unavailable, ReasonBadURL, "Apple wants a part sent by a method that is not known")
	}
	res, end, err := c.do(ctx, p)
	if err != nil {
		return err
	}
	defer end()
	return refusal(res)
}

// do makes one request. end is called after its answer.
func (c *Client) do(ctx context.Context, p Part) (res *http.Response, end func(), err error) {
	u, err := c.cfg.Hosts.Allow(p.URL)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(c.cfg.Stall, func() { cancel(errStalled) })
	stop := func() { watch.Stop(); cancel(nil) }
	defer func() {
		if err != nil {
			stop()
		}
	}()
	alive := func() { watch.Reset(c.cfg.Stall) }
	req, taken, err := request(ctx, u, p, alive)
	if err != nil {
		return nil, nil, err
	}
	res, err = c.send.RoundTrip(req)
	taken.back() // the transport may still be reading
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errStalled) {
			return nil, nil, cause
		}
		return nil, nil, again("no answer").WithCause(err)
	}
	res.Body = &beating{res.Body, alive}
	return res, func() {
		_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // so that the connection can be used again
		_ = res.Body.Close()
		stop()
	}, nil
}

// request is the HTTP request of a part. What it says of itself is Apple's, but
// for what belongs to the connection.
func request(ctx context.Context, u *url.URL, p Part, alive func()) (*http.Request, *lent, error) {
	if len(p.Headers) > maxHeaders {
		return nil, nil, fault.New(fault.Unavailable, ReasonBadURL, "Apple wants more than %d headers", maxHeaders)
	}
	header := http.Header{"User-Agent": nil}
	for _, h := range p.Headers {
		switch name := http.CanonicalHeaderKey(h.Name); name {
		case "Content-Length", "Host", "Connection", "Transfer-Encoding", "Te", "Trailer", "Upgrade", "Expect":
		default:
			header[name] = append(header[name], h.Value)
		}
	}
	req := &http.Request{Method: p.Method, URL: u, Host: u.Host, Header: header, ProtoMajor: 1, ProtoMinor: 1}
	body := &lent{r: p.Body}
	if p.Body != nil && p.Length > 0 {
		req.Body, req.ContentLength = &beating{io.NopCloser(body), alive}, p.Length
	}
	return req.WithContext(ctx), body, nil
}

// lent is a body that its owner takes back. [http.Transport] goes on reading one
// after its answer came or its request was cancelled; the owner has other use for
// the bytes then, or reads on where the body ended.
type lent struct {
	mu   sync.Mutex
	r    io.Reader
	over bool
}

// Read implements [io.Reader].
func (l *lent) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return 0, errTakenBack
	}
	return l.r.Read(p)
}

// back waits for a read that is under way. None comes after it.
func (l *lent) back() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

var errTakenBack = errors.New("the body is no longer the transport's")

var errStalled = errors.New("nothing moved")

// beating tells of each read.
type beating struct {
	io.ReadCloser
	alive func()
}

// Read implements [io.Reader].
func (b *beating) Read(p []byte) (int, error) {
	b.alive()
	return b.ReadCloser.Read(p)
}

func again(what string) *fault.Error {
	return fault.New(fault.Unavailable, ReasonUnavailable, "the host of Apple's that takes the bytes: %s", what)
}

// refusal is the fault of an answer, nil for success.
func refusal(res *http.Response) error {
	switch code := res.StatusCode; {
	case code/100 == 2:
		return nil
	case code/100 == 3:
		return fault.New(fault.Unavailable, ReasonRedirected, "the host of Apple's points elsewhere (HTTP %d): not followed", code)
	case code == 408 || code == 429 || code >= 500:
		return again(fmt.Sprintf("HTTP %d", code))
	case code == 401 || code == 403 || code == 404 || code == 410:
		return fault.New(fault.FailedPrecondition, ReasonExpired,
			"the URL for the bytes no longer works (HTTP %d): it has expired, or the file is committed or deleted", code)
	default:
		return fault.New(fault.FailedPrecondition, ReasonRefused, "the host of Apple's does not take the bytes (HTTP %d)", code)
	}
}

// File is an open file.
type File struct {
	Body        io.ReadCloser
	Length      int64  // -1 where it is not told
	ContentType string // as it is told
	Disposition string // as it is told
	Encoding    string // that is still on the bytes
}

// Get reads a file. The caller closes it. Its length is -1 where it is not told.
func (c *Client) Get(ctx context.Context, link string) (body io.ReadCloser, length int64, err error) {
	f, err := c.Open(ctx, link)
	if err != nil {
		return nil, 0, err
	}
	return f.Body, f.Length, nil
}

// Open reads a file with what its host says of it. The caller closes it.
func (c *Client) Open(ctx context.Context, link string) (*File, error) {
	res, end, err := c.do(ctx, Part{Method: http.MethodGet, URL: link})
	if err != nil {
		return nil, err
	}
	if err := refusal(res); err != nil {
		end()
		return nil, err
	}
	h := res.Header
	return &File{Body: &got{res.Body, end}, Length: res.ContentLength, ContentType: h.Get("Content-Type"),
		Disposition: h.Get("Content-Disposition"), Encoding: h.Get("Content-Encoding")}, nil
}

// got is an answer that ends its request when it is closed.
type got struct {
	io.ReadCloser
	end func()
}

// Close implements [io.Closer].
func (g *got) Close() error {
	err := g.ReadCloser.Close()
	g.end()
	return err
}
