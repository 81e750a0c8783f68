package door

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// CORS names the web pages that may call the REST face from a browser. The zero
// value names none. Credentials of the browser (cookies, client certificates)
// are never allowed: a page sends its token in the header Authorization.
type CORS struct {
	Origins []string `json:"origins"` // such as https://release.example.org; default none
}

// What an allowed page may send and read.
const (
	corsMethods = "GET, HEAD, POST, PATCH, DELETE"
	corsHeaders = "Accept, Asc-Priority, Asc-Team, Authorization, Cache-Control, Content-Type, " +
		"Traceparent, Tracestate, Tus-Resumable, Upload-Length, Upload-Metadata, Upload-Offset, " +
		"X-Http-Method-Override, X-Request-Id"
	corsExposed = "Asc-Cache, Asc-Quota-Limit, Asc-Quota-Remaining, Asc-Quota-Waited-Ms, Asc-Upload-Resource, " +
		"Asc-Upload-Storage, Location, Retry-After, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, " +
		"Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset"
	corsSeconds = "600" // that a browser keeps the answer to a preflight
)

// Check returns an error for what is not an origin: a scheme and a host, with a
// port where it is not the scheme's own. http is for loopback only.
func (c CORS) Check() error {
	for i, origin := range c.Origins {
		u, err := url.Parse(origin)
		switch {
		case err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin || strings.ToLower(origin) != origin:
			return fmt.Errorf(
				"cors.origins[%d]: %q is not an origin such as https://release.example.org",
				i,
				clip(origin),
			)
		case strings.Contains(u.Host, "*"):
			return fmt.Errorf("cors.origins[%d]: %q: name each origin", i, clip(origin))
		case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Host)):
			return fmt.Errorf("cors.origins[%d]: %q: want https, or http on localhost", i, clip(origin))
		}
	}
	return nil
}

type allowedOrigin struct{}

// Wrap answers preflight requests of the origins that are named, and lets their
// other requests pass [CheckOrigin]. Requests of all other origins reach next
// unchanged.
func (c CORS) Wrap(next http.Handler) http.Handler {
	if len(c.Origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header["Origin"]
		if len(origin) != 1 || !slices.Contains(c.Origins, origin[0]) {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Origin", origin[0])
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", corsMethods)
			h.Set("Access-Control-Allow-Headers", corsHeaders)
			h.Set("Access-Control-Max-Age", corsSeconds)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.Set("Access-Control-Expose-Headers", corsExposed)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), allowedOrigin{}, true)))
	})
}

// allowed says whether [CORS.Wrap] has found the origin of a request allowed.
func allowed(r *http.Request) bool {
	is, _ := r.Context().Value(allowedOrigin{}).(bool)
	return is
}
