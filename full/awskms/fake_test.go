package awskms

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/asc-gateway/asc-gateway/internal/keys/vaulttest"
)

// fake speaks AWS KMS' JSON protocol, and unwraps what is imported.
type fake struct {
	mu       sync.Mutex
	keys     map[string]any // nil: it waits for its material
	aliases  map[string]string
	wrapping *rsa.PrivateKey
	mode     string
	release  chan struct{}
}

func newFake() *fake {
	k, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		panic(err)
	}
	return &fake{keys: map[string]any{}, aliases: map[string]string{}, wrapping: k}
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

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	release := f.release
	f.mu.Unlock()
	if release != nil {
		select {
		case <-release:
		case <-r.Context().Done():
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=") || r.Header.Get("X-Amz-Date") == "" {
		fail(w, 400, "MissingAuthenticationTokenException")
		return
	}
	var in struct {
		KeyID                string `json:"KeyId"`
		Message              []byte
		MessageType          string
		SigningAlgorithm     string
		WrappingAlgorithm    string
		WrappingKeySpec      string
		ImportToken          []byte
		EncryptedKeyMaterial []byte
		AliasName            string
		TargetKeyID          string `json:"TargetKeyId"`
		Origin, KeySpec      string
		KeyUsage             string
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
		fail(w, 400, "SerializationException")
		return
	}
	if f.mode == "down" {
		fail(w, 500, "KMSInternalException")
		return
	}
	id := in.KeyID
	if target := f.aliases[id]; target != "" {
		id = target
	}
	id = strings.TrimPrefix(id, "arn:aws:kms:us-east-1:1:key/")
	key, known := f.keys[id]
	switch op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService."); {
	case op == "CreateKey":
		if in.Origin != "EXTERNAL" || in.KeySpec != "ECC_NIST_P256" || in.KeyUsage != "SIGN_VERIFY" {
			fail(w, 400, "UnsupportedOperationException")
			return
		}
		id = fmt.Sprintf("key-%d", len(f.keys)+1)
		f.keys[id] = nil
		answer(w, map[string]any{"KeyMetadata": map[string]any{"KeyId": id, "Origin": "EXTERNAL", "KeyState": "PendingImport"}})
	case op == "CreateAlias":
		f.aliases[in.AliasName] = in.TargetKeyID
		answer(w, map[string]any{})
	case !known:
		fail(w, 400, "NotFoundException")
	case op == "GetParametersForImport":
		if in.WrappingAlgorithm != "RSA_AES_KEY_WRAP_SHA_256" || in.WrappingKeySpec != "RSA_4096" {
			fail(w, 400, "UnsupportedOperationException")
			return
		}
		der, _ := x509.MarshalPKIXPublicKey(&f.wrapping.PublicKey)
		answer(w, map[string]any{"KeyId": id, "PublicKey": der, "ImportToken": []byte("token " + id)})
	case op == "ImportKeyMaterial":
		f.importMaterial(w, id, in.ImportToken, in.EncryptedKeyMaterial)
	case key == nil:
		fail(w, 400, "KMSInvalidStateException")
	case op == "GetPublicKey":
		der, err := x509.MarshalPKIXPublicKey(publicOf(key))
		if err != nil {
			fail(w, 500, "KMSInternalException")
			return
		}
		answer(w, map[string]any{"KeyId": "arn:aws:kms:us-east-1:1:key/" + id, "PublicKey": der, "KeyUsage": "SIGN_VERIFY"})
	case op == "Sign":
		f.sign(w, key, in.Message, in.MessageType+" "+in.SigningAlgorithm)
	default:
		fail(w, 400, "UnknownOperationException")
	}
}

func publicOf(k any) any {
	if e, ok := k.(*ecdsa.PrivateKey); ok {
		return &e.PublicKey
	}
	return k
}

func (f *fake) importMaterial(w http.ResponseWriter, id string, token, sealed []byte) {
	if string(token) != "token "+id || len(sealed) < 512+24 {
		fail(w, 400, "InvalidImportTokenException")
		return
	}
	aes, err := rsa.DecryptOAEP(sha256.New(), nil, f.wrapping, sealed[:512], nil)
	if err != nil {
		fail(w, 400, "InvalidCiphertextException")
		return
	}
	der, err := vaulttest.Unwrap(aes, sealed[512:])
	if err != nil {
		fail(w, 400, "InvalidCiphertextException")
		return
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	private, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || private.Curve.Params().BitSize != 256 {
		fail(w, 400, "IncorrectKeyMaterialException")
		return
	}
	f.keys[id] = private
	answer(w, map[string]any{})
}

func (f *fake) sign(w http.ResponseWriter, key any, message []byte, how string) {
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || how != "DIGEST ECDSA_SHA_256" || len(message) != 32 {
		fail(w, 400, "ValidationException")
		return
	}
	if f.mode == "lie" {
		message[0] ^= 1
	}
	sig, err := ecdsa.SignASN1(rand.Reader, private, message)
	if err != nil {
		fail(w, 500, "KMSInternalException")
		return
	}
	answer(w, map[string]any{"Signature": sig})
}

func answer(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func fail(w http.ResponseWriter, status int, typ string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"__type": typ, "message": "the fake says " + typ})
}
