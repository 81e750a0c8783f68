package gcpkms

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/keystest"
	"github.com/asc-gateway/asc-gateway/internal/keys/vaulttest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// fake is the part of Cloud KMS that keeps signing keys. Jobs and versions take
// one look to be ready.
type fake struct {
	kmspb.UnimplementedKeyManagementServiceServer
	mu       sync.Mutex
	keys     map[string]bool
	versions map[string]*version
	jobs     map[string]bool // → looked at
	wrapping *rsa.PrivateKey
	mode     string
	release  chan struct{}
	instead  func(ctx context.Context, method string) (proto.Message, error) // answers all, if set
}

// intercept lets the fake be taken over.
func (f *fake) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if f.instead != nil {
		return f.instead(ctx, info.FullMethod)
	}
	return next(ctx, req)
}

type version struct {
	key  any
	made time.Time
}

func newFake() *fake {
	k, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		panic(err)
	}
	return &fake{keys: map[string]bool{}, versions: map[string]*version{}, jobs: map[string]bool{}, wrapping: k}
}

func (f *fake) set(mode string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.release != nil {
		close(f.release)
		f.release = nil
	}
	if f.mode = mode; mode == "hang" {
		f.release = make(chan struct{})
	}
}

// enter goes wrong as the fake is told to; else it holds the lock.
func (f *fake) enter(ctx context.Context) error {
	f.mu.Lock()
	release, mode := f.release, f.mode
	f.mu.Unlock()
	if release != nil {
		select {
		case <-release:
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
	if mode == "down" {
		return status.Error(codes.Internal, "the fake is down")
	}
	f.mu.Lock()
	return nil
}

func (f *fake) CreateCryptoKey(ctx context.Context, r *kmspb.CreateCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	if r.GetCryptoKey().GetPurpose() != kmspb.CryptoKey_ASYMMETRIC_SIGN || !r.GetSkipInitialVersionCreation() || !r.GetCryptoKey().GetImportOnly() {
		return nil, status.Error(codes.InvalidArgument, "not for import")
	}
	full := r.GetParent() + "/cryptoKeys/" + r.GetCryptoKeyId()
	if f.keys[full] {
		return nil, status.Error(codes.AlreadyExists, "the key is there")
	}
	f.keys[full] = true
	return &kmspb.CryptoKey{Name: full}, nil
}

func (f *fake) CreateImportJob(ctx context.Context, r *kmspb.CreateImportJobRequest) (*kmspb.ImportJob, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	if r.GetImportJob().GetImportMethod() != kmspb.ImportJob_RSA_OAEP_4096_SHA256_AES_256 {
		return nil, status.Error(codes.InvalidArgument, "another method")
	}
	full := r.GetParent() + "/importJobs/" + r.GetImportJobId()
	f.jobs[full] = true
	return &kmspb.ImportJob{Name: full, State: kmspb.ImportJob_PENDING_GENERATION}, nil
}

func (f *fake) GetImportJob(ctx context.Context, r *kmspb.GetImportJobRequest) (*kmspb.ImportJob, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	return &kmspb.ImportJob{Name: r.GetName(), State: kmspb.ImportJob_ACTIVE, PublicKey: &kmspb.ImportJob_WrappingPublicKey{Pem: public(&f.wrapping.PublicKey)}}, nil
}

func (f *fake) ImportCryptoKeyVersion(ctx context.Context, r *kmspb.ImportCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	b := r.GetWrappedKey()
	if !f.keys[r.GetParent()] || !f.jobs[r.GetImportJob()] || len(b) < 512+24 {
		return nil, status.Error(codes.NotFound, "no such key or job")
	}
	aes, err := rsa.DecryptOAEP(sha256.New(), nil, f.wrapping, b[:512], nil)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "cannot be unwrapped")
	}
	der, err := vaulttest.Unwrap(aes, b[512:])
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "cannot be unwrapped")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	private, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || private.Curve.Params().BitSize != 256 {
		return nil, status.Error(codes.InvalidArgument, "another kind of key")
	}
	full := fmt.Sprintf("%s/cryptoKeyVersions/%d", r.GetParent(), len(f.versions)+1)
	f.versions[full] = &version{key: private, made: time.Now()}
	return &kmspb.CryptoKeyVersion{Name: full, State: kmspb.CryptoKeyVersion_PENDING_IMPORT}, nil
}

func (f *fake) GetCryptoKeyVersion(ctx context.Context, r *kmspb.GetCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	return &kmspb.CryptoKeyVersion{Name: r.GetName(), State: kmspb.CryptoKeyVersion_ENABLED}, nil
}

func (f *fake) ListCryptoKeyVersions(ctx context.Context, r *kmspb.ListCryptoKeyVersionsRequest) (*kmspb.ListCryptoKeyVersionsResponse, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	out := &kmspb.ListCryptoKeyVersionsResponse{}
	for full, v := range f.versions {
		if strings.HasPrefix(full, r.GetParent()+"/") {
			out.CryptoKeyVersions = append(out.CryptoKeyVersions, &kmspb.CryptoKeyVersion{Name: full, State: kmspb.CryptoKeyVersion_ENABLED, CreateTime: timestamppb.New(v.made)})
		}
	}
	return out, nil
}

func (f *fake) GetPublicKey(ctx context.Context, r *kmspb.GetPublicKeyRequest) (*kmspb.PublicKey, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	v := f.versions[r.GetName()]
	if v == nil {
		return nil, status.Error(codes.NotFound, "no such version")
	}
	private := v.key.(*ecdsa.PrivateKey)
	algorithm := kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256
	if private.Curve.Params().BitSize != 256 {
		algorithm = kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384
	}
	text := public(&private.PublicKey)
	return &kmspb.PublicKey{Name: r.GetName(), Pem: text, Algorithm: algorithm, PemCrc32C: wrapperspb.Int64(checksum([]byte(text)))}, nil
}

func (f *fake) AsymmetricSign(ctx context.Context, r *kmspb.AsymmetricSignRequest) (*kmspb.AsymmetricSignResponse, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	v, digest := f.versions[r.GetName()], r.GetDigest().GetSha256()
	if v == nil || len(digest) != 32 || r.GetDigestCrc32C().GetValue() != checksum(digest) {
		return nil, status.Error(codes.InvalidArgument, "the checksum does not fit")
	}
	if f.mode == "lie" {
		digest[0] ^= 1
	}
	sig, err := ecdsa.SignASN1(rand.Reader, v.key.(*ecdsa.PrivateKey), digest)
	if err != nil {
		return nil, status.Error(codes.Internal, "does not sign")
	}
	sum := checksum(sig)
	if f.mode == "damaged" {
		sum++
	}
	return &kmspb.AsymmetricSignResponse{Name: r.GetName(), Signature: sig, SignatureCrc32C: wrapperspb.Int64(sum), VerifiedDigestCrc32C: true}, nil
}

func public(k any) string {
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func serve(t *testing.T) (*fake, *Backend) {
	t.Helper()
	f := newFake()
	s := grpc.NewServer(grpc.UnaryInterceptor(f.intercept))
	kmspb.RegisterKeyManagementServiceServer(s, f)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	b := &Backend{Poll: time.Millisecond, Options: []option.ClientOption{option.WithEndpoint(l.Addr().String()), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))}}
	t.Cleanup(func() { f.set(""); _ = b.Close(); s.Stop() })
	return f, b
}

const ring = "projects/p/locations/global/keyRings/r"

func TestContract(t *testing.T) {
	f, b := serve(t)
	mode := func(m string) func(*testing.T) func() {
		return func(*testing.T) func() { f.set(m); return func() { f.set("") } }
	}
	n := 0
	open := func(t *testing.T, key *ecdsa.PrivateKey) (keys.Key, error) {
		n++
		full := fmt.Sprintf("%s/cryptoKeys/key-%d", ring, n)
		if err := b.Import(t.Context(), "gcpkms:"+full, key); err != nil {
			f.mu.Lock()
			f.versions[full+"/cryptoKeyVersions/1"] = &version{key: key} // of a curve that is not taken
			f.mu.Unlock()
		}
		return keys.Backends{b}.Open(t.Context(), "KID", "gcpkms:"+full)
	}
	keystest.Run(t, keystest.Custody{Open: open, Break: mode("down"), Hang: mode("hang"), Lie: mode("lie")})
	keystest.Run(t, keystest.Custody{Open: open, Break: mode("damaged")})
}

// TestRealKMS signs with a key in Google Cloud, if one is named.
func TestRealKMS(t *testing.T) {
	uri := os.Getenv("ASC_TEST_GCPKMS_KEY")
	if uri == "" {
		t.Skip("ASC_TEST_GCPKMS_KEY is not set; TestContract has run against the fake")
	}
	b := &Backend{}
	defer b.Close()
	k, err := b.Open(t.Context(), "KID", uri)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.SelfTest(t.Context(), k); err != nil {
		t.Error(err)
	}
}

func TestURIs(t *testing.T) {
	for uri, good := range map[string]bool{
		"gcpkms:" + ring + "/cryptoKeys/k": true, "gcpkms:" + ring + "/cryptoKeys/k/cryptoKeyVersions/3": true,
		"gcpkms:k": false, "gcpkms:" + ring + "/cryptoKeys/../x": false, "gcpkms:": false,
	} {
		if _, _, _, err := parse(uri); (err == nil) != good {
			t.Errorf("%s: %v", uri, err)
		}
	}
}
