package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/golang-jwt/jwt/v5"
)

// ToolKey is a key that the gateway's owner gives to a tool in place of one of
// Apple's: the tool signs its usual tokens with it, and needs nothing but
// another base URL. Apple does not know the key; it is good for nothing else.
type ToolKey struct {
	Name      string `json:"name"`
	KeyID     string `json:"key_id"`     // kid of the tool's tokens
	PublicKey string `json:"public_key"` // on P-256: PEM, or its base64 alone
}

// maxToolLifetime is how far ahead a tool's token may expire: Apple's own bound.
const maxToolLifetime = 20 * time.Minute

// toolAudiences are those of Apple's tokens.
var toolAudiences = []string{"appstoreconnect-v1", "apple-developer-enterprise-v1"}

type toolKey struct {
	principal *access.Principal
	public    *ecdsa.PublicKey
}

// NewToolKey makes a key for a tool: the .p8 file's text, and what is configured.
func NewToolKey(name string) (p8 []byte, key ToolKey, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, key, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, key, err
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, key, err
	}
	key = ToolKey{Name: name, KeyID: "GW" + rand.Text()[:8], PublicKey: base64.StdEncoding.EncodeToString(public)}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), key, nil
}

func readToolKeys(list []ToolKey) (map[string]toolKey, error) {
	out := make(map[string]toolKey, len(list))
	names := map[string]bool{}
	var errs []error
	for i, k := range list {
		public, err := k.public()
		if err != nil {
			errs = append(errs, fmt.Errorf("keys[%d].public_key: %w", i, err))
		}
		_, twice := out[k.KeyID]
		if k.Name == "" || k.KeyID == "" || twice || names[k.Name] {
			errs = append(errs, fmt.Errorf("keys[%d]: want a name and a key_id of its own", i))
		}
		names[k.Name] = true
		out[k.KeyID] = toolKey{&access.Principal{ID: "key:" + k.Name}, public}
	}
	return out, errors.Join(errs...)
}

func (k ToolKey) public() (*ecdsa.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(k.PublicKey))
	if block, _ := pem.Decode([]byte(k.PublicKey)); block != nil {
		der, err = block.Bytes, nil
	}
	if err != nil {
		return nil, errors.New("want PEM, or base64: `gateway token key` makes one")
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("is no public key")
	}
	public, ok := parsed.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errors.New("is not on P-256")
	}
	return public, nil
}

// tool verifies a token as tools make them for Apple. ok says whether it is one
// of a tool's.
func (b *believed) tool(
	ctx context.Context,
	token string,
	now func() time.Time,
	how lookup,
) (p *access.Principal, expires time.Time, ok bool, err error) {
	if len(b.tools) == 0 {
		return nil, expires, false, nil
	}
	claims := jwt.MapClaims{}
	unverified, _, err := jwt.NewParser().ParseUnverified(token, claims)
	if err != nil {
		return nil, expires, false, nil // the next one says so
	}
	kid, _ := unverified.Header["kid"].(string)
	key, known := b.tools[kid]
	if _, ofIssuer := b.issuers[fmt.Sprint(claims["iss"])]; !known || ofIssuer {
		return nil, expires, false, nil
	}
	leave, err := how.verifying(ctx)
	if err != nil {
		return nil, expires, true, err
	}
	defer leave()
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"ES256"}),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(now),
		jwt.WithIssuedAt(),
		jwt.WithAudience(toolAudiences...),
	)
	claims = jwt.MapClaims{}
	if _, err := parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if _, critical := t.Header["crit"]; critical {
			return nil, errors.New("an extension that is not understood")
		}
		return key.public, nil
	}); errors.Is(err, jwt.ErrTokenExpired) {
		return nil, expires, true, fault.New(fault.Unauthenticated, ReasonTokenExpired, "the token has expired")
	} else if err != nil {
		return nil, expires, true, refused(err)
	}
	exp, err := claims.GetExpirationTime()
	if err != nil || exp.After(now().Add(maxToolLifetime+leeway)) {
		return nil, expires, true, refused(errors.New("lives too long"))
	}
	return key.principal, exp.Time, true, nil
}
