// Package config reads the gateway's configuration: one YAML file, decoded
// strictly, once. No other package reads flags, files of settings or the
// environment.
package config

import (
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/internal/tlsfiles"
)

// maxConfigBytes bounds the file.
const maxConfigBytes = 1 << 20

// Config is gateway.yaml.
type Config struct {
	Upstream    Upstream        `json:"upstream"`
	Listen      Listen          `json:"listen"`
	CORS        door.CORS       `json:"cors"` // of the REST face. It needs a restart
	TLS         tlsfiles.Config `json:"tls"`
	Teams       []Team          `json:"teams"`
	Vault       *Vault          `json:"vault"`
	Authn       Authn           `json:"authn"`
	Policy      Policy          `json:"policy"`
	Audit       Audit           `json:"audit"`
	Tokens      Tokens          `json:"tokens"`
	Passthrough Passthrough     `json:"passthrough"`
	Quota       Quota           `json:"quota"`
	Cache       Cache           `json:"cache"`
	Limits      Limits          `json:"limits"`
	Secrets     Secrets         `json:"secrets"`
	Store       Store           `json:"store"`
	Jobs        Jobs            `json:"jobs"`
	Uploads     Uploads         `json:"uploads"`
	Reports     Reports         `json:"reports"`
	Streams     Streams         `json:"streams"`
	Telemetry   Telemetry       `json:"telemetry"`
	Log         Log             `json:"log"`
	Ops         Ops             `json:"ops"`

	name    string // of the file
	lines   lines  // where its settings stand
	dir     string // of the file: relative paths are below it
	sandbox bool   // a sandbox stands for Apple: its team comes with it
}

// Upstream is Apple, or a sandbox.
type Upstream struct {
	BaseURL string `json:"base_url"` // default Apple's; a loopback address may be plain http
	Proxy   string `json:"proxy"`    // URL of a proxy on the way there, or "environment": as HTTPS_PROXY and NO_PROXY say; default none
}

// Listen is where the gateway serves. Without authentication these must be
// loopback addresses.
type Listen struct {
	REST string `json:"rest"` // default 127.0.0.1:8080
	GRPC string `json:"grpc"` // default 127.0.0.1:9090
	Ops  string `json:"ops"`  // default 127.0.0.1:8081
	// Address is one for REST and gRPC together, where a platform gives only one
	// port; then rest and grpc are not set. Default none.
	Address string `json:"address"`
}

// Team is a team of Apple's with its keys.
type Team struct {
	Name string `json:"name"`
	Keys []Key  `json:"keys"`
}

// Key is an App Store Connect API key.
type Key struct {
	ID         string   `json:"id"`         // Apple's key id
	IssuerID   string   `json:"issuer_id"`  // of a team key; empty for an individual key
	URI        string   `json:"uri"`        // where it is kept: file:AuthKey_X.p8, vault:NAME, …
	State      string   `json:"state"`      // pending, canary, active (default), draining or retired
	Roles      []string `json:"roles"`      // Apple's roles, such as FINANCE; empty: may do everything
	Enterprise bool     `json:"enterprise"` // of the enterprise program
}

// Vault is a HashiCorp Vault or OpenBao with a transit engine.
type Vault struct {
	Address   string    `json:"address"`   // https, or http on loopback
	Namespace string    `json:"namespace"` // "": none
	Mount     string    `json:"mount"`     // of the transit engine; default transit
	CAFile    string    `json:"ca_file"`   // PEM; "": the system's
	Proxy     string    `json:"proxy"`     // "http://host:port"; "": none, whatever the environment says
	Auth      VaultAuth `json:"auth"`
}

// VaultAuth is how the gateway proves to Vault who it is.
type VaultAuth struct {
	Method       string `json:"method"`         // token, approle or kubernetes
	Mount        string `json:"mount"`          // of the auth method; default its name
	Role         string `json:"role"`           // of kubernetes
	TokenFile    string `json:"token_file"`     // of token
	RoleIDFile   string `json:"role_id_file"`   // of approle
	SecretIDFile string `json:"secret_id_file"` // of approle
	JWTFile      string `json:"jwt_file"`       // of kubernetes; default that of the service account
}

// Authn says whom to believe. Empty: nobody is asked, and every face listens on
// loopback only.
type Authn struct {
	authn.Config
	// FirstTokenFile is where a static token, named "first", is kept. It is made
	// at the first start.
	FirstTokenFile string `json:"first_token_file"`
}

// Policy says where the policy is.
type Policy struct {
	File string `json:"file"` // needed where authn is configured
	Text string `json:"-"`    // one that stands in no file: the sandbox's
}

// Audit says where calls go on record.
type Audit struct {
	Path     string   `json:"path"`      // "-": standard output; "": nowhere
	MaxBytes int64    `json:"max_bytes"` // of a file; default 100 MiB
	MaxFiles int      `json:"max_files"` // kept; default all
	Timeout  Duration `json:"timeout"`   // the longest that a call waits for it; default 1s
	NoSync   bool     `json:"no_sync"`   // faster; a power cut loses the last lines
}

// Tokens says whether tokens of Apple's are given out.
type Tokens struct {
	Enabled     bool     `json:"enabled"`
	MaxLifetime Duration `json:"max_lifetime"` // default 10m, at most 15m
}

// Passthrough serves Apple's own paths and bodies.
type Passthrough struct {
	Listen string `json:"listen"` // "": off
	// PublicURL is where callers reach it, for the links in answers; "": the
	// scheme and host of each request.
	PublicURL string `json:"public_url"`
}

// Trusted says whether callers' trace contexts are continued.
func (c *Config) Trusted() bool {
	if t := c.Telemetry.TrustTraceContext; t != nil {
		return *t
	}
	return !c.Open()
}
