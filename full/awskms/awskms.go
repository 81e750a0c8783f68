// Package awskms keeps keys in AWS KMS: the backend
// "awskms:KEY_ID_OR_ARN_OR_ALIAS[?region=REGION]", such as awskms:alias/asc.
//
// Who the gateway is to AWS is found as the SDK finds it: environment, profile,
// web identity, instance role. So are the endpoint (AWS_ENDPOINT_URL), further
// authorities (AWS_CA_BUNDLE) and a proxy (HTTPS_PROXY): see client.go for what
// they cannot do. The private key never leaves KMS.
package awskms

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/keywrap"
	"github.com/asc-gateway/asc-gateway/internal/outbound"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// Bounds of requests.
const (
	requestTimeout = 8 * time.Second // of one, with its retries
	importTimeout  = time.Minute     // of all that an import asks for
	maxAttempts    = 3
)

// Backend is AWS KMS. The zero value uses the SDK's own configuration, which is
// read when the first key is opened. It implements [keys.Backend] and
// [keys.Importer].
type Backend struct {
	// Options change the client; tests give it an endpoint.
	Options []func(*config.LoadOptions) error

	mu      sync.Mutex
	clients map[string]*kms.Client // by region
}

// Scheme implements [keys.Backend].
func (*Backend) Scheme() string { return "awskms" }

// client is that of a region, "" for the default one.
func (b *Backend) client(ctx context.Context, region string) (*kms.Client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.clients[region]; c != nil {
		return c, nil
	}
	options := append([]func(*config.LoadOptions) error{
		config.WithRetryMaxAttempts(maxAttempts),
		config.WithHTTPClient(newClient()),
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = newClient() }),
	}, b.Options...)
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	if b.clients == nil {
		b.clients = map[string]*kms.Client{}
	}
	c := kms.NewFromConfig(cfg, func(o *kms.Options) { o.HTTPClient = httpsOnly{o.HTTPClient} })
	b.clients[region] = c
	return c, nil
}

// parse splits "awskms:alias/asc?region=eu-central-1". An ARN has its region.
func parse(uri string) (key, region string, err error) {
	key, query, _ := strings.Cut(strings.TrimPrefix(uri, "awskms:"), "?")
	values, err := url.ParseQuery(query)
	if region = values.Get("region"); region == "" && strings.HasPrefix(key, "arn:") {
		if parts := strings.Split(key, ":"); len(parts) > 3 {
			region = parts[3]
		}
	}
	if err != nil || key == "" || strings.ContainsAny(key, " #%") {
		return "", "", fmt.Errorf("%q: want awskms:KEY_ID_OR_ARN_OR_ALIAS[?region=REGION]", uri)
	}
	return key, region, nil
}

// Open implements [keys.Backend].
func (b *Backend) Open(ctx context.Context, id, uri string) (keys.Key, error) {
	name, region, err := parse(uri)
	if err != nil {
		return nil, keys.Unusable(id, "its URI is wrong").WithCause(err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	client, err := b.client(ctx, region)
	if err != nil {
		return nil, keys.Unusable(id, "AWS is not configured").WithCause(outbound.Told(err))
	}
	res, err := client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &name})
	if err != nil {
		return nil, keys.Unusable(id, "cannot be read from AWS KMS").WithCause(told(ctx, client, err))
	}
	parsed, err := x509.ParsePKIXPublicKey(res.PublicKey)
	public, ok := parsed.(*ecdsa.PublicKey)
	if err != nil || !ok || public.Curve != elliptic.P256() || res.KeyUsage != types.KeyUsageTypeSignVerify {
		return nil, keys.Unusable(id, "is no signing key on P-256 in AWS KMS")
	}
	if res.KeyId != nil { // an alias may be moved; the key that was opened stays
		name = *res.KeyId
	}
	return &Key{id: id, name: name, client: client, public: public}, nil
}

// Key signs in AWS KMS. It implements [keys.Key].
type Key struct {
	id, name string
	client   *kms.Client
	public   *ecdsa.PublicKey
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
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := k.client.Sign(
		ctx,
		&kms.SignInput{
			KeyId:            &k.name,
			Message:          digest[:],
			MessageType:      types.MessageTypeDigest,
			SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
		},
	)
	if err != nil {
		return sig, keys.Unusable(k.id, "is not signed with by AWS KMS").WithCause(told(ctx, k.client, err))
	}
	if sig, err = keys.ParseDER(res.Signature); err != nil {
		return sig, keys.Unusable(k.id, "got an answer from AWS KMS that is no signature").WithCause(err)
	}
	return sig, nil
}

// Import implements [keys.Importer]. For alias/NAME a key is made and the alias
// given to it; otherwise the key must be there and wait for its material.
func (b *Backend) Import(ctx context.Context, uri string, private *ecdsa.PrivateKey) error {
	name, region, err := parse(uri)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	client, err := b.client(ctx, region)
	if err != nil {
		return err
	}
	id, alias := name, ""
	if strings.HasPrefix(name, "alias/") {
		alias = name
		made, err := client.CreateKey(
			ctx,
			&kms.CreateKeyInput{Origin: types.OriginTypeExternal, KeySpec: types.KeySpecEccNistP256,
				KeyUsage: types.KeyUsageTypeSignVerify, Description: aws.String("App Store Connect API key")},
		)
		if err != nil {
			return fmt.Errorf("awskms: no key can be made: %w", told(ctx, client, err))
		}
		if made.KeyMetadata == nil || made.KeyMetadata.KeyId == nil {
			return errors.New("awskms: a key was made, but its id is not told")
		}
		id = *made.KeyMetadata.KeyId
	}
	params, err := client.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: &id,
		WrappingAlgorithm: types.AlgorithmSpecRsaAesKeyWrapSha256, WrappingKeySpec: types.WrappingKeySpecRsa4096})
	if err != nil {
		return fmt.Errorf("awskms: key %s takes no material: %w", id, told(ctx, client, err))
	}
	to, err := keywrap.ParsePublic(params.PublicKey)
	if err != nil {
		return err
	}
	wrapped, err := keywrap.Wrap(to, sha256.New, private)
	if err != nil {
		return err
	}
	if _, err := client.ImportKeyMaterial(ctx, &kms.ImportKeyMaterialInput{KeyId: &id, ImportToken: params.ImportToken,
		EncryptedKeyMaterial: wrapped, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire}); err != nil {
		return fmt.Errorf("awskms: key %s does not take the material: %w", id, told(ctx, client, err))
	}
	if alias != "" {
		if _, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &id}); err != nil {
			return fmt.Errorf("awskms: key %s has its material, but not the name %s: %w", id, alias, told(ctx, client, err))
		}
	}
	return nil
}
