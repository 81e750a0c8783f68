// Package door is what every HTTP face does before it trusts a request: where it
// comes from, how its path is written, how its body is read.
//
// A body is read only for a caller that is known and that policy allows the
// call. It must never be read without a bound on its size, its elements and the
// time it takes.
package door

import (
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Reasons of refusals.
const (
	ReasonMediaType  = "UNSUPPORTED_MEDIA_TYPE" // 415
	ReasonForeign    = "CROSS_SITE"             // 403
	ReasonNotAllowed = "METHOD_NOT_ALLOWED"     // 405
)

// MaxBodyBytes bounds a body, unless its route says otherwise.
const MaxBodyBytes = 1 << 20

// How long a body may take.
const (
	strangerTime = 5 * time.Second // until the caller is known
	bodyTime     = 30 * time.Second
)

// Body is the rule of a route for request bodies. The zero value takes none.
type Body struct {
	Media []string // content types that are taken: none, no body
	Max   int64    // bytes; 0: [MaxBodyBytes]
	JSON  bool     // its elements are counted
}

// JSON is the rule of most routes.
var JSON = Body{Media: []string{"application/json"}, JSON: true}

// Begin bounds the time of a request whose caller nobody knows yet.
func Begin(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(strangerTime)) // not every writer can
	}
}

// CheckPath refuses paths that another reader could understand otherwise.
func CheckPath(r *http.Request) error {
	if p := r.URL.Path; p == "" || p[0] != '/' || p != "/" && path.Clean(p) != p {
		return fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the path is not clean")
	}
	return nil
}

// CheckOrigin refuses what a web page of another site sends. Where the caller's
// credential does not stand in the request (there is none, or it is a client
// certificate, which a browser brings by itself), the request must come from the
// gateway's own origin or from no page at all. open says that nobody is
// authenticated: then the name by which the gateway is called must be a loopback
// name too, so that no foreign name that resolves to it will do. An origin that
// the configuration allows ([CORS]) counts as the gateway's own.
func CheckOrigin(r *http.Request, open bool) error {
	if len(r.Header["Authorization"]) > 0 && !open {
		return nil
	}
	if err := checkHost(r, open); err != nil {
		return err
	}
	if allowed(r) {
		return nil
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" {
		return foreign("the request comes from a page of another site")
	}
	for _, origin := range r.Header["Origin"] {
		u, err := url.Parse(origin)
		if err != nil || u.Host != r.Host {
			return foreign("the request comes from a page of %q", clip(origin))
		}
	}
	return nil
}

// CheckPage is [CheckOrigin] for a page that is open to everyone and changes
// nothing. A browser may come to it by a link on another site, but no other site
// may load it into a page of its own.
func CheckPage(r *http.Request, open bool) error {
	if err := checkHost(r, open); err != nil {
		return err
	}
	if r.Header.Get("Sec-Fetch-Site") != "cross-site" {
		return nil
	}
	if r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" {
		return nil
	}
	return foreign("the request comes from a page of another site")
}

// checkHost refuses foreign names where nobody is authenticated.
func checkHost(r *http.Request, open bool) error {
	if open && !loopback(r.Host) {
		return foreign(
			"nobody is authenticated here, so the gateway only answers to localhost, 127.0.0.1 or [::1], not to %q",
			clip(r.Host),
		)
	}
	return nil
}

func foreign(format string, args ...any) error {
	return fault.New(fault.PermissionDenied, ReasonForeign, format, args...)
}

func loopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}

// Read reads a body by the rule of its route; nil: there is none.
func (b Body) Read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if err := b.check(r); err != nil {
		return nil, err
	}
	most := b.Max
	if most == 0 {
		most = MaxBodyBytes
	}
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTime))
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return nil, broken(err, most)
	}
	_ = deadline.SetReadDeadline(time.Time{})
	switch {
	case len(text) == 0:
		return nil, nil
	case len(b.Media) == 0:
		return nil, none(r)
	}
	if b.JSON {
		if err := CheckJSON(text); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// check says whether a body of its kind is taken at all.
func (b Body) check(r *http.Request) error {
	if len(b.Media) == 0 {
		if r.ContentLength < 0 { // it may still turn out to be empty
			return nil
		}
		return none(r)
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if len(r.Header["Content-Type"]) > 1 || err != nil || !slices.Contains(b.Media, media) {
		return fault.New(
			fault.InvalidArgument,
			ReasonMediaType,
			"the body must be sent with Content-Type: %s",
			strings.Join(b.Media, " or "),
		)
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return fault.New(fault.InvalidArgument, ReasonMediaType, "the body must not be compressed")
	}
	return nil
}

func none(r *http.Request) error {
	return fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "%s takes no body here", r.Method)
}

func broken(err error, most int64) error {
	var large *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.As(err, &large):
		return fault.New(fault.InvalidArgument, fault.ReasonTooLarge, "the body is larger than %d bytes", most)
	case errors.As(err, &slow) && slow.Timeout():
		return fault.New(fault.DeadlineExceeded, fault.ReasonPeerTooSlow, "the body did not come within %v", bodyTime)
	}
	return fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the body broke off").WithCause(err)
}

// Status is the HTTP status of this package's reasons; ok: it is one of them.
func Status(reason string) (status int, ok bool) {
	switch reason {
	case ReasonMediaType:
		return http.StatusUnsupportedMediaType, true
	case fault.ReasonTooLarge:
		return http.StatusRequestEntityTooLarge, true
	case fault.ReasonPeerTooSlow:
		return http.StatusRequestTimeout, true
	case ReasonNotAllowed:
		return http.StatusMethodNotAllowed, true
	}
	return 0, false
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
