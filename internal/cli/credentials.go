package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/files"
)

// maxTokenBytes bounds a token, and the answer that brings one.
const maxTokenBytes = 64 << 10

// defaultAudience is that of id-tokens which GitHub Actions gives.
const defaultAudience = "asc-gateway"

// defaultIDTokenEnv is the variable of a GitLab id-token, where no flag names
// another.
const defaultIDTokenEnv = "ASC_GATEWAY_ID_TOKEN"

// source gives the token of a call.
type source func(context.Context) (string, error)

// credentialOf is where tokens come from: what [connection.settle] found in flags
// or a login, then the environment, then what a CI system offers. nil: the calls
// bring none. Files and variables are read for each call: they are rotated.
func credentialOf(d Deps, l *login) source {
	env := d.Getenv
	switch {
	case l.TokenFile != "":
		return fromFile(l.TokenFile)
	case l.IDTokenEnv != "":
		return fromVariable(env, l.IDTokenEnv)
	case l.Token != "":
		return func(context.Context) (string, error) { return l.Token, nil }
	case env("ASC_GATEWAY_TOKEN") != "":
		return fromVariable(env, "ASC_GATEWAY_TOKEN")
	case env("ASC_GATEWAY_TOKEN_FILE") != "":
		return func(ctx context.Context) (string, error) { return fromFile(env("ASC_GATEWAY_TOKEN_FILE"))(ctx) }
	case env(defaultIDTokenEnv) != "":
		return fromVariable(env, defaultIDTokenEnv)
	case env("ACTIONS_ID_TOKEN_REQUEST_URL") != "" && env("ACTIONS_ID_TOKEN_REQUEST_TOKEN") != "":
		return (&github{deps: d, audience: cmpOr(l.Audience, defaultAudience), now: time.Now}).token
	}
	return nil
}

func fromFile(name string) source {
	return func(context.Context) (string, error) {
		b, err := files.Read(name, maxTokenBytes)
		if err != nil {
			return "", err
		}
		return clean(string(b), name)
	}
}

func fromVariable(env func(string) string, name string) source {
	return func(context.Context) (string, error) { return clean(env(name), name) }
}

// clean takes a token as files and variables hold it. A token never stands in an
// error.
func clean(token, from string) (string, error) {
	token = strings.TrimSpace(token)
	switch {
	case token == "":
		return "", usagef("%s holds no token", clip(from))
	case len(token) > maxTokenBytes || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", usagef("%s holds something else than one token", clip(from))
	}
	return token, nil
}

// github asks GitHub Actions for id-tokens, and keeps one until it is nearly
// over.
type github struct {
	deps     Deps
	audience string
	now      func() time.Time

	mu    sync.Mutex
	kept  string
	until time.Time
}

// errIDToken is what went wrong, without the address: it is GitHub's.
var errIDToken = errors.New("GitHub Actions gave no id-token: does the job have `permissions: id-token: write`?")

func (g *github) token(ctx context.Context) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.kept != "" && g.now().Before(g.until) {
		return g.kept, nil
	}
	token, err := g.fetch(ctx)
	if err != nil {
		return "", err
	}
	g.kept, g.until = token, expiry(token).Add(-30*time.Second)
	return token, nil
}

func (g *github) fetch(ctx context.Context) (string, error) {
	u, err := url.Parse(g.deps.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL"))
	if err != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return "", usagef("ACTIONS_ID_TOKEN_REQUEST_URL: want an https address")
	}
	q := u.Query()
	q.Set("audience", g.audience)
	u.RawQuery = q.Encode()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", errIDToken
	}
	req.Header.Set("Authorization", "Bearer "+g.deps.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
	res, err := g.client().Do(req)
	if err != nil {
		return "", errIDToken
	}
	defer res.Body.Close()
	var answer struct {
		Value string `json:"value"`
	}
	b, err := readMost(res.Body, maxTokenBytes, "GitHub's answer")
	if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(b, &answer) != nil {
		return "", errIDToken
	}
	return clean(answer.Value, "GitHub's answer")
}

func (g *github) client() *http.Client {
	if g.deps.HTTP != nil {
		return g.deps.HTTP
	}
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// expiry is when a JWT is over, as it says itself; the zero time if it does not.
func expiry(jwt string) time.Time {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Exp int64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(b, &claims) != nil || claims.Exp == 0 {
		return time.Time{}
	}
	return time.Unix(claims.Exp, 0)
}
