// Package access says who calls and what there is to be called: the words that
// authentication (authn), policy (policy) and app restriction (restrict) share.
//
// A [Principal] travels in the context only, put there by the server after a
// credential was verified. Nothing that a caller sends in a header or in
// metadata may become one.
package access

import (
	"context"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Principal is who calls.
type Principal struct {
	// ID names the caller for policy and audit, with the way it was proved as
	// its scheme: "spiffe://td/ns/ci/sa/release", "dns:ci.example.com",
	// "oidc:ISSUER_NAME:SUBJECT", "token:NAME", "key:NAME", or
	// [Anonymous].
	ID string
	// Claims are the verified claims that the issuer's configuration picked, by
	// name; policy may match them. It is nil for other credentials.
	Claims map[string]string
}

// Anonymous is the id of every caller while no authentication is configured.
const Anonymous = "anonymous"

type principalKey struct{}

// NewContext returns a context of a call made by p.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext returns who calls, nil if nobody was authenticated: then nothing
// is allowed.
func FromContext(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}

type viaKey struct{}

// WithVia returns a context of calls that a use case makes on its caller's behalf:
// via names the call or the operation that it works for, for audit. Nothing that
// a caller sends may become it.
func WithVia(ctx context.Context, via string) context.Context {
	return context.WithValue(ctx, viaKey{}, via)
}

// Via is for what a use case makes a call, "" for the call of a caller itself.
func Via(ctx context.Context) string { s, _ := ctx.Value(viaKey{}).(string); return s }

// Method is something that can be called: an operation of Apple's, or a method
// of the gateway's own.
type Method struct {
	FullName string // "/asc.testflight.v1.BuildsService/ListBuilds"
	Verb     string // "GET"; of an own method "GET" if it only reads, else "POST"
	Template string // "/v1/builds/{id}"; "" for an own method
	Area     string // "testflight"; of an own method its package's second part: "catalog"
	// Jobs are the names of the jobs that need the right to call it: policies know
	// all that a job needs as the set "job:NAME". Job is the one that it starts.
	Jobs  []string
	Job   string
	Own   bool   // the gateway's own
	Type  string // JSON:API type of the primary data; "" for an own method
	Shape optionsv1.Shape
	// Describe finds the descriptor. Descriptors are large: it is asked for when a
	// call or the restriction to apps needs one.
	Describe func() protoreflect.MethodDescriptor
}

// Desc is the method's descriptor.
func (m *Method) Desc() protoreflect.MethodDescriptor { return m.Describe() }

// Options are those of an operation of Apple's, nil for an own method.
func (m *Method) Options() *optionsv1.Method {
	o, _ := proto.GetExtension(m.Desc().Options(), optionsv1.E_Method).(*optionsv1.Method)
	return o
}

// Name is the full name without the leading slash, as policies write it.
func (m *Method) Name() string { return strings.TrimPrefix(m.FullName, "/") }
