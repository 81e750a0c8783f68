// Package vaulttest is the part of a Vault that keeps signing keys, for tests:
// logins, leases and the transit engine, with knobs for what goes wrong. It
// unwraps what is imported as Vault does, with code of its own.
package vaulttest

import (
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Vault is an [http.Handler].
type Vault struct {
	RoleID, SecretID string // of approle
	Role, JWT        string // of kubernetes
	RootToken        string

	mu       sync.Mutex
	now      func() time.Time
	lease    time.Duration
	keys     map[string]*key
	tokens   map[string]time.Time   // until when; zero: for ever
	wrapping func() *rsa.PrivateKey // made when it is first asked for: that takes seconds
	mode     string
	release  chan struct{}
	counts   map[string]int
}

type key struct {
	versions map[int]any // *ecdsa.PrivateKey, or of another kind
	latest   int
}

// New makes a Vault whose tokens live for lease.
func New(now func() time.Time, lease time.Duration) *Vault {
	wrapping := sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 4096)
		if err != nil {
			panic(err)
		}
		return k
	})
	v := &Vault{
		RoleID:    "role-id",
		SecretID:  "secret-id",
		Role:      "gateway",
		JWT:       "service.account.jwt",
		RootToken: "root-token",
		now:       now,
		lease:     lease,
		keys:      map[string]*key{},
		tokens:    map[string]time.Time{},
		wrapping:  wrapping,
		counts:    map[string]int{},
	}
	v.tokens[v.RootToken] = time.Time{}
	return v
}

// Modes of going wrong.
const (
	Sealed = "sealed" // 503
	Denied = "denied" // 403, whatever the token
	Hang   = "hang"
	Lie    = "lie" // signs something else
)

// Set makes the Vault go wrong; "" ends it.
func (v *Vault) Set(mode string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.release != nil {
		close(v.release)
		v.release = nil
	}
	if v.mode = mode; mode == Hang {
		v.release = make(chan struct{})
	}
}

// Revoke ends all tokens but the root's.
func (v *Vault) Revoke() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tokens = map[string]time.Time{v.RootToken: {}}
}

// Count is how often a path was asked for: "sign", "login", "renew-self".
func (v *Vault) Count(what string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.counts[what]
}

// Put puts a key in as it is, as its next version.
func (v *Vault) Put(name string, private any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys[name] == nil {
		v.keys[name] = &key{versions: map[int]any{}}
	}
	k := v.keys[name]
	k.latest++
	k.versions[k.latest] = private
}

// ServeHTTP implements [http.Handler].
func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	release := v.release
	v.mu.Unlock()
	if release != nil {
		select {
		case <-release:
		case <-r.Context().Done():
			return
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	var body map[string]any
	if r.Body != nil {
		_ = json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body)
	}
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	status, answer := v.answer(r.Method, path, r.Header.Get("X-Vault-Token"), body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func problem(status int, text string) (int, any) {
	return status, map[string]any{"errors": []string{text}}
}

func (v *Vault) answer(method, path, token string, body map[string]any) (int, any) {
	parts := strings.Split(path, "/")
	v.counts[parts[len(parts)-1]]++
	if len(parts) > 1 {
		v.counts[parts[1]]++
	}
	switch v.mode {
	case Sealed:
		return problem(503, "Vault is sealed")
	case Denied:
		return problem(403, "permission denied")
	}
	switch path {
	case "auth/approle/login":
		if body["role_id"] != v.RoleID || body["secret_id"] != v.SecretID {
			return problem(400, "invalid role or secret ID")
		}
		return 200, v.admitted()
	case "auth/kubernetes/login":
		if body["role"] != v.Role || body["jwt"] != v.JWT {
			return problem(403, "permission denied")
		}
		return 200, v.admitted()
	}
	until, known := v.tokens[token]
	if !known || !until.IsZero() && !v.now().Before(until) {
		return problem(403, "permission denied")
	}
	switch path {
	case "auth/token/lookup-self":
		return 200, map[string]any{"data": map[string]any{"ttl": int(v.lease.Seconds()), "renewable": true}}
	case "auth/token/renew-self":
		if !until.IsZero() {
			v.tokens[token] = v.now().Add(v.lease)
		}
		return 200, map[string]any{
			"auth": map[string]any{"client_token": token, "lease_duration": int(v.lease.Seconds()), "renewable": true},
		}
	}
	if parts[0] != "transit" {
		return problem(404, "no handler for route")
	}
	return v.transit(method, parts[1:], body)
}

func (v *Vault) admitted() any {
	var b [12]byte
	_, _ = rand.Read(b[:])
	token := fmt.Sprintf("hvs.%x", b)
	v.tokens[token] = v.now().Add(v.lease)
	return map[string]any{
		"auth": map[string]any{"client_token": token, "lease_duration": int(v.lease.Seconds()), "renewable": true},
	}
}

func (v *Vault) transit(method string, parts []string, body map[string]any) (int, any) {
	switch {
	case method == "GET" && parts[0] == "wrapping_key":
		return 200, map[string]any{"data": map[string]any{"public_key": public(&v.wrapping().PublicKey)}}
	case parts[0] == "keys" && len(parts) == 3 && parts[2] == "import":
		return v.importKey(parts[1], body)
	case method == "GET" && parts[0] == "keys" && len(parts) == 2:
		return v.readKey(parts[1])
	case parts[0] == "sign" && len(parts) == 3 && parts[2] == "sha2-256":
		return v.sign(parts[1], body)
	}
	return problem(404, "no handler for route")
}

func (v *Vault) readKey(name string) (int, any) {
	k := v.keys[name]
	if k == nil {
		return 404, map[string]any{"errors": []string{}}
	}
	versions, typ := map[string]any{}, ""
	for n, private := range k.versions {
		p, ok := private.(*ecdsa.PrivateKey)
		if !ok {
			typ = "rsa-2048"
			continue
		}
		typ = "ecdsa-p" + fmt.Sprint(p.Curve.Params().BitSize)
		versions[fmt.Sprint(n)] = map[string]any{"public_key": public(&p.PublicKey)}
	}
	return 200, map[string]any{
		"data": map[string]any{"type": typ, "latest_version": k.latest, "keys": versions, "exportable": false},
	}
}

func (v *Vault) sign(name string, body map[string]any) (int, any) {
	k := v.keys[name]
	input, _ := body["input"].(string)
	digest, err := base64.StdEncoding.DecodeString(input)
	if k == nil || err != nil || len(digest) != sha256.Size || body["prehashed"] != true ||
		body["marshaling_algorithm"] != "jws" {
		return problem(400, "invalid request")
	}
	version := k.latest
	if n, ok := body["key_version"].(float64); ok && n > 0 {
		version = int(n)
	}
	private, ok := k.versions[version].(*ecdsa.PrivateKey)
	if !ok {
		return problem(400, "no such version")
	}
	if v.mode == Lie {
		digest[0] ^= 1
	}
	r, s, err := ecdsa.Sign(rand.Reader, private, digest)
	if err != nil {
		return problem(500, "internal error")
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return 200, map[string]any{
		"data": map[string]any{
			"signature": fmt.Sprintf("vault:v%d:%s", version, base64.RawURLEncoding.EncodeToString(sig[:])),
		},
	}
}

func (v *Vault) importKey(name string, body map[string]any) (int, any) {
	text, _ := body["ciphertext"].(string)
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) < 512+24 || body["type"] != "ecdsa-p256" || body["hash_function"] != "SHA256" {
		return problem(400, "invalid import request")
	}
	if v.keys[name] != nil {
		return problem(400, "the import path cannot be used with an existing key; use import-version")
	}
	aesKey, err := rsa.DecryptOAEP(sha256.New(), nil, v.wrapping(), b[:512], nil)
	if err != nil {
		return problem(400, "failed to unwrap")
	}
	der, err := Unwrap(aesKey, b[512:])
	if err != nil {
		return problem(400, "failed to unwrap")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return problem(400, "no PKCS #8 key")
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || private.Curve.Params().BitSize != 256 {
		return problem(400, "the key is of another type")
	}
	v.keys[name] = &key{versions: map[int]any{1: private}, latest: 1}
	return 204, nil
}

func public(k any) string {
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Unwrap undoes RFC 5649, for data of more than one block.
func Unwrap(key, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(wrapped)%8 != 0 || len(wrapped) < 24 {
		return nil, errors.New("vaulttest: nothing that was wrapped")
	}
	n := len(wrapped)/8 - 1
	var a [8]byte
	copy(a[:], wrapped)
	r := append([]byte{}, wrapped[8:]...)
	var buf [16]byte
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			binary.BigEndian.PutUint64(buf[:8], binary.BigEndian.Uint64(a[:])^uint64(n*j+i))
			copy(buf[8:], r[(i-1)*8:i*8])
			block.Decrypt(buf[:], buf[:])
			copy(a[:], buf[:8])
			copy(r[(i-1)*8:i*8], buf[8:])
		}
	}
	length := int(binary.BigEndian.Uint32(a[4:]))
	if binary.BigEndian.Uint32(a[:4]) != 0xA65959A6 || length > len(r) || length <= len(r)-8 {
		return nil, errors.New("vaulttest: the integrity check fails")
	}
	return r[:length], nil
}
