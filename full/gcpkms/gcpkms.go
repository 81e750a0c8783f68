// Package gcpkms keeps keys in Google Cloud KMS: the backend
// "gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K[/cryptoKeyVersions/N]".
//
// Who the gateway is to Google is found as the SDK finds it: workload identity,
// application default credentials. A proxy of the environment (HTTPS_PROXY) is
// used, as the SDK does. gRPC knows no redirects. The private key never leaves
// KMS.
package gcpkms

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/keywrap"
	"github.com/asc-gateway/asc-gateway/internal/outbound"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Bounds of requests.
const (
	requestTimeout = 8 * time.Second
	pollEvery      = time.Second // while a job or a version is being made
	importTimeout  = 10 * time.Minute
	maxAnswerBytes = 1 << 20 // the SDK would take 2 GiB
	maxHeaderBytes = 64 << 10
	pageSize       = 100
	maxPages       = 20 // of versions of a key
)

// Backend is Google Cloud KMS. The zero value uses the SDK's own configuration,
// when the first key is opened. It implements [keys.Backend] and
// [keys.Importer].
type Backend struct {
	// Options change the client; tests give it an endpoint.
	Options []option.ClientOption
	// Poll is how often an import looks whether it is done; 1 s if 0.
	Poll time.Duration

	mu     sync.Mutex
	client *kms.KeyManagementClient
}

// Scheme implements [keys.Backend].
func (*Backend) Scheme() string { return "gcpkms" }

func (b *Backend) connect(ctx context.Context) (*kms.KeyManagementClient, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client == nil {
		options := append([]option.ClientOption{
			option.WithGRPCDialOption(grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswerBytes))),
			option.WithGRPCDialOption(grpc.WithMaxHeaderListSize(maxHeaderBytes)),
		}, b.Options...)
		c, err := kms.NewKeyManagementClient(context.WithoutCancel(ctx), options...)
		if err != nil {
			return nil, err
		}
		b.client = c
	}
	return b.client, nil
}

// Close ends the connection.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client == nil {
		return nil
	}
	return b.client.Close()
}

var (
	name = regexp.MustCompile(
		`^(projects/[^/]+/locations/[^/]+/keyRings/[^/]+)/cryptoKeys/([A-Za-z0-9_-]+)(/cryptoKeyVersions/[0-9]+)?$`,
	)
	crc32c = crc32.MakeTable(crc32.Castagnoli)
)

func parse(uri string) (ring, key, version string, err error) {
	m := name.FindStringSubmatch(strings.TrimPrefix(uri, "gcpkms:"))
	if m == nil {
		return "", "", "", fmt.Errorf(
			"%q: want gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K[/cryptoKeyVersions/N]",
			uri,
		)
	}
	return m[1], m[2], m[3], nil
}

// Open implements [keys.Backend]. Without a version the newest enabled one is
// opened, and stays the one that signs.
func (b *Backend) Open(ctx context.Context, id, uri string) (keys.Key, error) {
	ring, key, version, err := parse(uri)
	if err != nil {
		return nil, keys.Unusable(id, "its URI is wrong").WithCause(err)
	}
	client, err := b.connect(ctx)
	if err != nil {
		return nil, keys.Unusable(id, "Google Cloud is not configured").WithCause(outbound.Told(err))
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	full := ring + "/cryptoKeys/" + key + version
	if version == "" {
		if full, err = newest(ctx, client, full); err != nil {
			return nil, keys.Unusable(id, "has no enabled version in Google Cloud KMS").WithCause(outbound.Told(err))
		}
	}
	res, err := client.GetPublicKey(ctx, &kmspb.GetPublicKeyRequest{Name: full})
	if err != nil {
		return nil, keys.Unusable(id, "cannot be read from Google Cloud KMS").WithCause(outbound.Told(err))
	}
	if c := res.GetPemCrc32C(); c != nil && c.GetValue() != checksum([]byte(res.GetPem())) {
		return nil, keys.Unusable(id, "was damaged on its way from Google Cloud KMS")
	}
	block, _ := pem.Decode([]byte(res.GetPem()))
	if block == nil || res.GetAlgorithm() != kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256 {
		return nil, keys.Unusable(id, "is no EC_SIGN_P256_SHA256 key in Google Cloud KMS")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, ok := parsed.(*ecdsa.PublicKey)
	if err != nil || !ok || public.Curve != elliptic.P256() {
		return nil, keys.Unusable(id, "is no key on P-256 in Google Cloud KMS")
	}
	return &Key{id: id, name: full, client: client, public: public}, nil
}

// newest finds the enabled version that was made last.
func newest(ctx context.Context, client *kms.KeyManagementClient, key string) (string, error) {
	var best *kmspb.CryptoKeyVersion
	versions := client.ListCryptoKeyVersions(ctx, &kmspb.ListCryptoKeyVersionsRequest{Parent: key})
	pages := iterator.NewPager(versions, pageSize, "")
	for page := 0; ; page++ {
		if page == maxPages {
			return "", fmt.Errorf("it has more than %d versions: name one", maxPages*pageSize)
		}
		var list []*kmspb.CryptoKeyVersion
		next, err := pages.NextPage(&list)
		if err != nil {
			return "", err
		}
		for _, v := range list {
			later := best == nil || v.GetCreateTime().AsTime().After(best.GetCreateTime().AsTime())
			if v.GetState() == kmspb.CryptoKeyVersion_ENABLED && later {
				best = v
			}
		}
		if next == "" {
			break
		}
	}
	if best == nil {
		return "", errors.New("none is enabled")
	}
	return best.GetName(), nil
}

func checksum(b []byte) int64 { return int64(crc32.Checksum(b, crc32c)) }

// Key signs in Google Cloud KMS. It implements [keys.Key].
type Key struct {
	id, name string
	client   *kms.KeyManagementClient
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

// SignDigest implements [keys.Key]. Checksums guard both ways.
func (k *Key) SignDigest(ctx context.Context, digest [32]byte) (sig [64]byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := k.client.AsymmetricSign(ctx, &kmspb.AsymmetricSignRequest{Name: k.name,
		Digest: &kmspb.Digest{
			Digest: &kmspb.Digest_Sha256{Sha256: digest[:]},
		}, DigestCrc32C: wrapperspb.Int64(checksum(digest[:]))})
	if err != nil {
		return sig, keys.Unusable(k.id, "is not signed with by Google Cloud KMS").WithCause(outbound.Told(err))
	}
	if !res.GetVerifiedDigestCrc32C() || res.GetName() != k.name ||
		res.GetSignatureCrc32C().GetValue() != checksum(res.GetSignature()) {
		return sig, keys.Unusable(k.id, "got an answer from Google Cloud KMS that was damaged on its way")
	}
	if sig, err = keys.ParseDER(res.GetSignature()); err != nil {
		return sig, keys.Unusable(k.id, "got an answer from Google Cloud KMS that is no signature").WithCause(err)
	}
	return sig, nil
}

// Import implements [keys.Importer]: it makes the key, if it is not there, and
// an import job, and waits until both are ready.
func (b *Backend) Import(ctx context.Context, uri string, private *ecdsa.PrivateKey) error {
	ring, key, version, err := parse(uri)
	if err != nil {
		return err
	}
	if version != "" {
		return errors.New("gcpkms: the version of an imported key is not chosen: leave it out")
	}
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	client, err := b.connect(ctx)
	if err != nil {
		return err
	}
	_, err = client.CreateCryptoKey(
		ctx,
		&kmspb.CreateCryptoKeyRequest{Parent: ring, CryptoKeyId: key, SkipInitialVersionCreation: true,
			CryptoKey: &kmspb.CryptoKey{Purpose: kmspb.CryptoKey_ASYMMETRIC_SIGN, ImportOnly: true,
				VersionTemplate: &kmspb.CryptoKeyVersionTemplate{Algorithm: kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256}}},
	)
	if err != nil && status.Code(err) != codes.AlreadyExists {
		return fmt.Errorf("gcpkms: no key can be made: %w", outbound.Told(err))
	}
	job, err := b.importJob(ctx, client, ring)
	if err != nil {
		return err
	}
	to, err := keywrap.ParsePublic([]byte(job.GetPublicKey().GetPem()))
	if err != nil {
		return err
	}
	wrapped, err := keywrap.Wrap(to, sha256.New, private)
	if err != nil {
		return err
	}
	made, err := client.ImportCryptoKeyVersion(
		ctx,
		&kmspb.ImportCryptoKeyVersionRequest{Parent: ring + "/cryptoKeys/" + key,
			Algorithm: kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256, ImportJob: job.GetName(), WrappedKey: wrapped},
	)
	if err != nil {
		return fmt.Errorf("gcpkms: the key is not taken: %w", outbound.Told(err))
	}
	return b.enabled(ctx, client, made)
}

// pause waits between two looks.
func (b *Backend) pause(ctx context.Context) error {
	every := b.Poll
	if every == 0 {
		every = pollEvery
	}
	t := time.NewTimer(every)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("gcpkms: it is not ready yet: %w", ctx.Err())
	}
}

// importJob makes an import job and waits until it is ready.
func (b *Backend) importJob(ctx context.Context, client *kms.KeyManagementClient, ring string) (*kmspb.ImportJob, error) {
	job, err := client.CreateImportJob(
		ctx,
		&kmspb.CreateImportJobRequest{Parent: ring, ImportJobId: fmt.Sprintf("asc-gateway-%d", time.Now().UnixNano()),
			ImportJob: &kmspb.ImportJob{
				ImportMethod:    kmspb.ImportJob_RSA_OAEP_4096_SHA256_AES_256,
				ProtectionLevel: kmspb.ProtectionLevel_SOFTWARE,
			}},
	)
	if err != nil {
		return nil, fmt.Errorf("gcpkms: no import job can be made: %w", outbound.Told(err))
	}
	for job.GetState() != kmspb.ImportJob_ACTIVE {
		if job.GetState() == kmspb.ImportJob_EXPIRED {
			return nil, errors.New("gcpkms: the import job expired")
		}
		if err := b.pause(ctx); err != nil {
			return nil, err
		}
		if job, err = client.GetImportJob(ctx, &kmspb.GetImportJobRequest{Name: job.GetName()}); err != nil {
			return nil, fmt.Errorf("gcpkms: the import job: %w", outbound.Told(err))
		}
	}
	return job, nil
}

// enabled waits until an imported version can sign.
func (b *Backend) enabled(ctx context.Context, client *kms.KeyManagementClient, made *kmspb.CryptoKeyVersion) error {
	var err error
	for made.GetState() != kmspb.CryptoKeyVersion_ENABLED {
		if made.GetState() == kmspb.CryptoKeyVersion_IMPORT_FAILED {
			return fmt.Errorf("gcpkms: the import failed: %s", outbound.Strike(made.GetImportFailureReason()))
		}
		if err := b.pause(ctx); err != nil {
			return err
		}
		if made, err = client.GetCryptoKeyVersion(ctx, &kmspb.GetCryptoKeyVersionRequest{Name: made.GetName()}); err != nil {
			return fmt.Errorf("gcpkms: the import: %w", outbound.Told(err))
		}
	}
	return nil
}
