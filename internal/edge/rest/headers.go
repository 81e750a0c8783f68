package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/server"
	"google.golang.org/grpc/metadata"
)

// allowedHeaders become metadata; nothing else does.
var allowedHeaders = []string{
	server.TeamHeader,
	server.PriorityHeader,
	"traceparent",
	"tracestate",
	"x-request-id",
	"cache-control",
}

// canonical are the names of headers as net/http keeps them.
var canonical = func() map[string]string {
	m := map[string]string{}
	for _, name := range append(
		slices.Clone(allowedHeaders),
		server.CacheHeader, server.LimitHeader, server.RemainingHeader, server.WaitedHeader, server.RequestsHeader,
	) {
		m[name] = http.CanonicalHeaderKey(name)
	}
	return m
}()

// Values of headers that never change.
var (
	jsonType = []string{"application/json"}
	nosniff  = []string{"nosniff"}
	varies   = []string{"Accept-Encoding"}
)

func allowedHeader(name string) (string, bool) {
	name = strings.ToLower(name)
	return name, slices.Contains(allowedHeaders, name)
}

// metadataOf is what becomes metadata of a request's headers, nil if nothing
// does. As over gRPC, a value is printable ASCII.
func metadataOf(h http.Header) (md metadata.MD) {
	for _, name := range allowedHeaders {
		values := h[canonical[name]]
		if len(values) == 0 || slices.ContainsFunc(values, func(s string) bool { return !printable(s) }) {
			continue
		}
		if md == nil {
			md = make(metadata.MD, len(allowedHeaders))
		}
		md[name] = values
	}
	return md
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// headers collects the headers that a call sets. It is the call's
// [grpc.ServerTransportStream].
type headers struct {
	method string
	set    metadata.MD
}

// Method implements [grpc.ServerTransportStream].
func (h *headers) Method() string { return h.method }

// SetHeader implements [grpc.ServerTransportStream].
func (h *headers) SetHeader(md metadata.MD) error {
	if h.set == nil {
		h.set = md
	} else {
		h.set = metadata.Join(h.set, md)
	}
	return nil
}

// SendHeader implements [grpc.ServerTransportStream].
func (h *headers) SendHeader(md metadata.MD) error { return h.SetHeader(md) }

// SetTrailer implements [grpc.ServerTransportStream]: nobody reads trailers.
func (h *headers) SetTrailer(metadata.MD) error { return nil }

// copyTo adds the headers to those of an answer.
func (h *headers) copyTo(to http.Header) {
	for name, values := range h.set {
		key := canonical[name]
		if key == "" {
			key = http.CanonicalHeaderKey(name)
		}
		if len(to[key]) == 0 {
			to[key] = values
		} else {
			to[key] = append(to[key], values...)
		}
	}
}
