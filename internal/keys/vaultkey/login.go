package vaultkey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/asc-gateway/asc-gateway/internal/keys"
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

// maxLease bounds what Vault says of how long a token lives.
const maxLease = 30 * 24 * time.Hour

// login keeps a token of Vault's: renewed at two thirds of its life, and taken
// anew when it cannot be.
type login struct {
	auth   Auth
	server *server
	now    func() time.Time

	turn    chan struct{} // holds one: who has it may use what follows
	token   string
	renewal time.Time // zero: it needs none
	can     bool      // it can be renewed
	shown   []string  // what was sent at the last login: no error may quote it
}

func newLogin(auth Auth, s *server, now func() time.Time) *login {
	l := &login{auth: auth, server: s, now: now, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// take waits for the turn, which [login.give] gives back.
func (l *login) take(ctx context.Context) error {
	select {
	case <-l.turn:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("vault: no login in time: %w", ctx.Err())
	}
}

func (l *login) give() { l.turn <- struct{}{} }

// do makes a request, and once more after a fresh login if Vault refuses the
// token. A nil secret is one that is not there. It ends within 15 s.
func (b *Backend) do(ctx context.Context, method, path string, body map[string]any) (*secret, error) {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		token, shown, err := b.login.get(ctx)
		if err != nil {
			return nil, err
		}
		s, err := b.server.request(ctx, ask{method: method, path: path, token: token, body: body, secrets: shown})
		var refused *refusal
		if attempt == 0 && errors.As(err, &refused) && refused.status == http.StatusForbidden {
			if err := b.login.forget(ctx, token); err != nil {
				return nil, err
			}
			continue
		}
		return s, err
	}
}

// get returns a token that is good, as far as is known, and what was sent to
// Vault for it.
func (l *login) get(ctx context.Context) (token string, shown []string, err error) {
	if err := l.take(ctx); err != nil {
		return "", nil, err
	}
	defer l.give()
	if l.token != "" && (l.renewal.IsZero() || l.now().Before(l.renewal)) {
		return l.token, l.shown, nil
	}
	if l.token != "" && l.can {
		renew := ask{method: http.MethodPut, path: "auth/token/renew-self", token: l.token, body: map[string]any{}}
		s, err := l.ask(ctx, renew)
		if err == nil && s != nil && l.keep(s.Auth) == nil {
			return l.token, l.shown, nil
		}
	}
	err = l.enter(ctx)
	return l.token, l.shown, err
}

func (l *login) ask(ctx context.Context, a ask) (*secret, error) {
	a.secrets = l.shown
	return l.server.request(ctx, a)
}

func (l *login) forget(ctx context.Context, token string) error {
	if err := l.take(ctx); err != nil {
		return err
	}
	defer l.give()
	if l.token == token {
		l.token = ""
	}
	return nil
}

// enter logs in.
func (l *login) enter(ctx context.Context) error {
	l.token, l.shown = "", nil
	switch l.auth.Method {
	case MethodToken:
		return l.useToken(ctx)
	case MethodAppRole:
		role, err := l.secretFile(l.auth.RoleIDFile)
		if err != nil {
			return err
		}
		id, err := l.secretFile(l.auth.SecretIDFile)
		if err != nil {
			return err
		}
		return l.send(ctx, map[string]any{"role_id": role, "secret_id": id})
	default: // kubernetes: check knows no other
		jwt, err := l.secretFile(l.auth.JWTFile)
		if err != nil {
			return err
		}
		return l.send(ctx, map[string]any{"role": l.auth.Role, "jwt": jwt})
	}
}

// useToken takes a token from its file, and asks Vault how long it lives. One
// that may not look itself up is used as it is.
func (l *login) useToken(ctx context.Context) error {
	token, err := l.secretFile(l.auth.TokenFile)
	if err != nil {
		return err
	}
	l.token, l.renewal, l.can = token, time.Time{}, false
	s, err := l.ask(ctx, ask{method: http.MethodGet, path: "auth/token/lookup-self", token: token})
	if err != nil || s == nil {
		return nil
	}
	n, _ := s.Data["ttl"].(json.Number)
	if ttl, err := n.Int64(); err == nil && ttl > 0 {
		l.can, _ = s.Data["renewable"].(bool)
		l.renewal = l.after(ttl)
	}
	return nil
}

// send logs in with what is in body.
func (l *login) send(ctx context.Context, body map[string]any) error {
	s, err := l.ask(ctx, ask{method: http.MethodPut, path: "auth/" + l.auth.Mount + "/login", body: body})
	if err != nil {
		return err
	}
	if s == nil {
		return errNoToken
	}
	return l.keep(s.Auth)
}

var errNoToken = errors.New("vault: the login brought no usable token")

// keep takes the token of a login or a renewal.
func (l *login) keep(a *auth) error {
	if a == nil || a.ClientToken == "" || len(a.ClientToken) > maxSecretBytes {
		return errNoToken
	}
	l.token, l.can, l.renewal = a.ClientToken, a.Renewable, time.Time{}
	if a.LeaseDuration > 0 {
		l.renewal = l.after(a.LeaseDuration)
	}
	return nil
}

// after is when a token that lives for so many seconds is renewed.
func (l *login) after(seconds int64) time.Time {
	life := time.Duration(min(seconds, int64(maxLease/time.Second))) * time.Second
	return l.now().Add(life * 2 / 3)
}

// secretFile reads a credential, and notes that no error may quote it.
func (l *login) secretFile(name string) (string, error) {
	b, err := files.Read(name, maxSecretBytes)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(b))
	l.shown = append(l.shown, text)
	return text, nil
}

// unusable is the fault of a key whose Vault does not help.
func unusable(id, what string, err error) error {
	if keys.Outage(err) { // down, sealed, overloaded: a wrong login or key is another matter
		return keys.Away(id, "%s", what).WithCause(err)
	}
	return keys.Unusable(id, "%s", what).WithCause(err)
}
