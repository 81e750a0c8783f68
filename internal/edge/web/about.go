package web

import (
	"net"
	"net/http"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/access/restrict"
)

// about is what policy says of each method, by its name without a slash. Only
// the words are kept: the rules that they come from are large.
type about map[string]*fact

type fact struct {
	Sets []policy.Set // built-in sets that hold the method
	Kind restrict.Kind
	By   string
}

// newAbout reads the built-in sets and the rules of apps. It takes a while, so it
// is done when the first operation is shown.
func newAbout(methods []*access.Method) about {
	a := make(about, len(methods))
	for _, m := range methods {
		a[m.Name()] = &fact{}
	}
	members := policy.Members(methods)
	for _, set := range policy.Sets {
		for _, name := range members[set.Name] {
			a[name].Sets = append(a[name].Sets, set)
		}
	}
	table, err := restrict.New(methods)
	if err != nil {
		return a // without it, no rule is shown
	}
	for _, r := range table.Rules {
		a[r.Method.Name()].Kind, a[r.Method.Name()].By = r.Kind, strings.Clone(r.By)
	}
	return a
}

// grpcAddress is where the caller of a page reaches the gRPC face: by the same
// name, on its own port.
func (p *Pages) grpcAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	_, port, err := net.SplitHostPort(p.cfg.GRPC)
	if err != nil || port == "0" || port == "" {
		port = "9090"
	}
	return net.JoinHostPort(host, port)
}
