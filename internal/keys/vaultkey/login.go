package vaultkey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/hashicorp/vault/api"
)

// Methods of authentication.
const (
	MethodToken      = "token"
	MethodAppRole    = "approle"
	MethodKubernetes = "kubernetes"
)

// serviceAccountFile is where Kubernetes puts a pod's token.
const serviceAccountFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// maxSecretBytes bounds the files that hold credentials.
const maxSecretBytes = 16 << 10

// Auth is how to log in. Secrets stand in files, which are read at every login.
type Auth struct {
	Method       string
	Mount        string // of the auth method; default its name
	Role         string // of kubernetes
	TokenFile    string // of token
	RoleIDFile   string // of approle
	SecretIDFile string // of approle
	JWTFile      string // of kubernetes; default that of the service account
}

func (a *Auth) check() error {
	if a.Mount == "" {
		a.Mount = a.Method
	}
	missing := ""
	switch a.Method {
	case MethodToken:
		if a.TokenFile == "" {
			missing = "token_file"
		}
	case MethodAppRole:
		if a.RoleIDFile == "" || a.SecretIDFile == "" {
			missing = "role_id_file and secret_id_file"
		}
	case MethodKubernetes:
		if a.Role == "" {
			missing = "role"
		}
		if a.JWTFile == "" {
			a.JWTFile = serviceAccountFile
		}
	default:
		return fmt.Errorf("vault.auth.method: want %s, %s or %s", MethodToken, MethodAppRole, MethodKubernetes)
	}
	if missing != "" {
		return fmt.Errorf("vault.auth: method %s wants %s", a.Method, missing)
	}
	return nil
}

// login keeps a token of Vault's: renewed at two thirds of its life, and taken
// anew when it cannot be.
type login struct {
	auth   Auth
	client *api.Client
	now    func() time.Time

	mu      sync.Mutex
	token   string
	renewal time.Time // zero: it needs none
	can     bool      // it can be renewed
}

// do makes a request, and once more after a fresh login if Vault refuses the
// token. A nil secret is one that is not there.
func (b *Backend) do(ctx context.Context, method, path string, body map[string]any) (*api.Secret, error) {
	for attempt := 0; ; attempt++ {
		token, err := b.login.get(ctx)
		if err != nil {
			return nil, err
		}
		s, err := request(ctx, b.client, token, method, path, body)
		var refused *api.ResponseError
		if attempt == 0 && errors.As(err, &refused) && refused.StatusCode == http.StatusForbidden {
			b.login.forget(token)
			continue
		}
		return s, err
	}
}

// request makes one request with a token of its own.
func request(ctx context.Context, client *api.Client, token, method, path string, body map[string]any) (*api.Secret, error) {
	c, err := client.CloneWithHeaders()
	if err != nil {
		return nil, err
	}
	c.SetToken(token)
	if method == http.MethodGet {
		return c.Logical().ReadWithContext(ctx, path)
	}
	return c.Logical().WriteWithContext(ctx, path, body)
}

// get returns a token that is good, as far as is known.
func (l *login) get(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token != "" && (l.renewal.IsZero() || l.now().Before(l.renewal)) {
		return l.token, nil
	}
	if l.token != "" && l.can {
		s, err := request(ctx, l.client, l.token, http.MethodPut, "auth/token/renew-self", map[string]any{})
		if err == nil && s != nil && s.Auth != nil {
			l.keep(s.Auth)
			return l.token, nil
		}
	}
	return l.token, l.enter(ctx)
}

func (l *login) forget(token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == token {
		l.token = ""
	}
}

// enter logs in.
func (l *login) enter(ctx context.Context) error {
	l.token = ""
	body := map[string]any{}
	var err error
	read := func(field, name string) {
		if err == nil {
			body[field], err = secretFile(name)
		}
	}
	switch l.auth.Method {
	case MethodToken:
		read("token", l.auth.TokenFile)
		if err != nil {
			return err
		}
		l.token, l.renewal, l.can = body["token"].(string), time.Time{}, false
		s, err := request(ctx, l.client, l.token, http.MethodGet, "auth/token/lookup-self", nil)
		if err == nil && s != nil { // a token that may not look itself up is used as it is
			if ttl, err := s.TokenTTL(); err == nil && ttl > 0 {
				l.can, _ = s.TokenIsRenewable()
				l.renewal = l.now().Add(ttl * 2 / 3)
			}
		}
		return nil
	case MethodAppRole:
		read("role_id", l.auth.RoleIDFile)
		read("secret_id", l.auth.SecretIDFile)
	case MethodKubernetes:
		body["role"] = l.auth.Role
		read("jwt", l.auth.JWTFile)
	}
	if err != nil {
		return err
	}
	s, err := request(ctx, l.client, "", http.MethodPut, "auth/"+l.auth.Mount+"/login", body)
	if err != nil {
		return err
	}
	if s == nil || s.Auth == nil || s.Auth.ClientToken == "" {
		return errors.New("vault: the login brought no token")
	}
	l.keep(s.Auth)
	return nil
}

func (l *login) keep(a *api.SecretAuth) {
	l.token, l.can, l.renewal = a.ClientToken, a.Renewable, time.Time{}
	if a.LeaseDuration > 0 {
		l.renewal = l.now().Add(time.Duration(a.LeaseDuration) * time.Second * 2 / 3)
	}
}

func secretFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	if err != nil || len(b) > maxSecretBytes {
		return "", fmt.Errorf("%s cannot be read, or is larger than %d bytes", name, maxSecretBytes)
	}
	return strings.TrimSpace(string(b)), nil
}

// unusable is the fault of a key whose Vault does not help.
func unusable(id, what string, err error) error {
	if away(err) {
		return keys.Away(id, "%s", what).WithCause(reduced(err))
	}
	return keys.Unusable(id, "%s", what).WithCause(reduced(err))
}

// reduced keeps of Vault's refusal what it is about: its URL and status, but
// nothing that was sent.
func reduced(err error) error {
	var refused *api.ResponseError
	if errors.As(err, &refused) {
		texts := make([]string, 0, len(refused.Errors))
		for _, e := range refused.Errors {
			texts = append(texts, clip(e))
		}
		return fmt.Errorf("vault: status %d: %s", refused.StatusCode, strings.Join(texts, "; "))
	}
	return err
}
