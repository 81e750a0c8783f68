package redisdb

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
)

// DefaultPrefix begins all names where none is configured.
const DefaultPrefix = "asc"

// upstreamBytes of the hash of the upstream's address stand in each name.
const upstreamBytes = 6

// Names makes the names of keys and channels. They begin with
// PREFIX:UPSTREAM:, where UPSTREAM is the beginning of the SHA-256 of the base
// URL's scheme, host and port, in hexadecimal: two deployments with another
// prefix or another upstream (production and a sandbox) share no name.
type Names struct{ head string }

// NewNames makes names for a deployment.
func NewNames(prefix, baseURL string) Names {
	address := baseURL
	if u, err := url.Parse(baseURL); err == nil {
		address = u.Scheme + "://" + u.Host
	}
	sum := sha256.Sum256([]byte(strings.ToLower(address)))
	return Names{prefix + ":" + hex.EncodeToString(sum[:upstreamBytes]) + ":"}
}

// escape keeps a part of a name from looking like more than one, or like a hash
// tag. Different parts stay different.
var escape = strings.NewReplacer("%", "%25", ":", "%3A", "{", "%7B", "}", "%7D")

// Key names a key of a team: PREFIX:UPSTREAM:{TEAM}:PART:PART. The braces keep a
// team's keys together on a Redis Cluster.
func (n Names) Key(team string, parts ...string) string {
	var b strings.Builder
	b.WriteString(n.head)
	b.WriteString("{")
	b.WriteString(escape.Replace(team))
	b.WriteString("}")
	for _, p := range parts {
		b.WriteString(":")
		b.WriteString(escape.Replace(p))
	}
	return b.String()
}

// Common names a key or a channel of the deployment: PREFIX:UPSTREAM:NAME.
func (n Names) Common(name string) string { return n.head + name }
