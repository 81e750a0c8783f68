package web

import (
	"net"
	"net/http"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
)

// setsOf are the built-in sets that hold a method, in their order.
func setsOf(m *access.Method) (sets []policy.Set) {
	members := policy.Members([]*access.Method{m})
	for _, set := range policy.Sets {
		if len(members[set.Name]) > 0 {
			sets = append(sets, set)
		}
	}
	return sets
}

// named finds what policies call a method, nil if it is none.
func (p *Pages) named(fullName string) *access.Method {
	for _, m := range p.methods {
		if m.FullName == fullName {
			return m
		}
	}
	return nil
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
