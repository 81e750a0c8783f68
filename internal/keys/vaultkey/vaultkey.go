// Package vaultkey keeps keys in the transit engine of HashiCorp Vault or
// OpenBao: the backend "vault:[MOUNT/]NAME[?version=N]".
//
// The private key never leaves Vault. The version of a key is fixed when it is
// opened: Apple knows one public key, and a rotation in Vault must not change it
// unnoticed.
package vaultkey

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/keywrap"
)

// Config says where Vault is and how to log in. Nothing of it comes from the
// environment: no VAULT_* variable and no proxy's has an effect.
type Config struct {
	Address   string // https, or http on loopback
	Namespace string
	Mount     string // of transit; default "transit"
	CAFile    string // PEM; "": the system's
	Proxy     string // "http://host:port"; "": none
	Auth      Auth
}

// Backend is one Vault. It implements [keys.Backend] and [keys.Importer].
type Backend struct {
	mount  string
	server *server
	login  *login
}

// New makes a backend. Nothing is asked yet.
func New(cfg Config, now func() time.Time) (*Backend, error) {
	if cfg.Mount == "" {
		cfg.Mount = "transit"
	}
	if err := cfg.Auth.check(); err != nil {
		return nil, err
	}
	s, err := newServer(cfg)
	if err != nil {
		return nil, err
	}
	return &Backend{mount: cfg.Mount, server: s, login: newLogin(cfg.Auth, s, now)}, nil
}

// Scheme implements [keys.Backend].
func (*Backend) Scheme() string { return "vault" }

// place is where a key is.
type place struct {
	mount, name string
	version     int // 0: the latest
}

func (b *Backend) parse(uri string) (p place, err error) {
	path, query, _ := strings.Cut(strings.TrimPrefix(uri, "vault:"), "?")
	p = place{mount: b.mount, name: path}
	if i := strings.LastIndex(path, "/"); i >= 0 {
		p.mount, p.name = path[:i], path[i+1:]
	}
	values, err := url.ParseQuery(query)
	if v := values.Get("version"); err == nil && v != "" {
		p.version, err = strconv.Atoi(v)
	}
	if err != nil || p.name == "" || p.mount == "" || p.version < 0 || strings.Contains(path, "..") ||
		strings.ContainsAny(path, "#% ") {
		return p, fmt.Errorf("%q: want vault:[MOUNT/]NAME[?version=N]", uri)
	}
	return p, nil
}

// Open implements [keys.Backend].
func (b *Backend) Open(ctx context.Context, id, uri string) (keys.Key, error) {
	p, err := b.parse(uri)
	if err != nil {
		return nil, keys.Unusable(id, "its URI is wrong").WithCause(err)
	}
	s, err := b.do(ctx, http.MethodGet, p.mount+"/keys/"+p.name, nil)
	if err != nil {
		return nil, unusable(id, "cannot be read from Vault", err)
	}
	if s == nil {
		return nil, keys.Unusable(id, "is not in Vault: there is no %s/keys/%s", p.mount, p.name)
	}
	if typ, _ := s.Data["type"].(string); typ != "ecdsa-p256" {
		return nil, keys.Unusable(id, "is of another type in Vault; want ecdsa-p256")
	}
	if p.version == 0 {
		n, _ := s.Data["latest_version"].(json.Number)
		latest, err := n.Int64()
		if err != nil || latest < 1 {
			return nil, keys.Unusable(id, "has no version in Vault")
		}
		p.version = int(latest)
	}
	public, err := publicOf(s.Data, p.version)
	if err != nil {
		return nil, keys.Unusable(id, "has no usable public key in Vault").WithCause(err)
	}
	return &Key{id: id, backend: b, place: p, public: public}, nil
}

// publicOf reads the public key of a version.
func publicOf(data map[string]any, version int) (*ecdsa.PublicKey, error) {
	versions, _ := data["keys"].(map[string]any)
	v, _ := versions[strconv.Itoa(version)].(map[string]any)
	text, _ := v["public_key"].(string)
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fmt.Errorf("version %d has no PEM public key", version)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("version %d is not on P-256", version)
	}
	return key, nil
}

// Key signs in Vault. It implements [keys.Key].
type Key struct {
	id      string
	backend *Backend
	place   place
	public  *ecdsa.PublicKey
}

// ID implements [keys.Key].
func (k *Key) ID() string { return k.id }

// Public implements [keys.Key].
func (k *Key) Public() *ecdsa.PublicKey { return k.public }

// String hides where the key is.
func (k *Key) String() string { return "key " + k.id + " [redacted]" }

// Format hides it from every verb.
func (k *Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// MarshalText hides it from logs.
func (k *Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// SignDigest implements [keys.Key].
func (k *Key) SignDigest(ctx context.Context, digest [32]byte) (sig [64]byte, err error) {
	s, err := k.backend.do(ctx, http.MethodPut, k.place.mount+"/sign/"+k.place.name+"/sha2-256", map[string]any{
		"input": base64.StdEncoding.EncodeToString(
			digest[:],
		), "prehashed": true, "marshaling_algorithm": "jws", "key_version": k.place.version})
	if err != nil {
		return sig, unusable(k.id, "is not signed with by Vault", err)
	}
	if s == nil {
		return sig, keys.Unusable(k.id, "is not in Vault any more")
	}
	text, _ := s.Data["signature"].(string)
	raw, ok := strings.CutPrefix(text, fmt.Sprintf("vault:v%d:", k.place.version))
	b, err := base64.RawURLEncoding.Strict().DecodeString(raw)
	if !ok || err != nil || len(b) != len(sig) {
		return sig, keys.Unusable(k.id, "got an answer from Vault that is no signature")
	}
	copy(sig[:], b)
	return sig, nil
}

// Import implements [keys.Importer]: the key is wrapped for Vault, not
// exportable, and cannot be backed up in plain text.
func (b *Backend) Import(ctx context.Context, uri string, key *ecdsa.PrivateKey) error {
	p, err := b.parse(uri)
	if err != nil {
		return err
	}
	s, err := b.do(ctx, http.MethodGet, p.mount+"/wrapping_key", nil)
	if err != nil {
		return fmt.Errorf("vault: the wrapping key cannot be read: %w", err)
	}
	if s == nil {
		return fmt.Errorf("vault: there is no transit engine at %s", p.mount)
	}
	text, _ := s.Data["public_key"].(string)
	to, err := keywrap.ParsePublic([]byte(text))
	if err != nil {
		return err
	}
	wrapped, err := keywrap.Wrap(to, sha256.New, key)
	if err != nil {
		return err
	}
	_, err = b.do(ctx, http.MethodPut, p.mount+"/keys/"+p.name+"/import", map[string]any{
		"type": "ecdsa-p256", "ciphertext": base64.StdEncoding.EncodeToString(wrapped), "hash_function": "SHA256",
		"exportable": false, "allow_plaintext_backup": false, "allow_rotation": false})
	if err != nil {
		return fmt.Errorf("vault: the key is not taken: %w", err)
	}
	return nil
}
