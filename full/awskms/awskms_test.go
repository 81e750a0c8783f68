package awskms

import (
	"crypto/ecdsa"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/keystest"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

func TestContract(t *testing.T) {
	f := newFake()
	s := httptest.NewServer(f)
	defer s.Close()
	defer f.set("")
	b := &Backend{Options: []func(*config.LoadOptions) error{config.WithBaseEndpoint(s.URL), config.WithRegion("us-east-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""))}}
	mode := func(m string) func(*testing.T) func() {
		return func(*testing.T) func() { f.set(m); return func() { f.set("") } }
	}
	n := 0
	keystest.Run(t, keystest.Custody{Break: mode("down"), Hang: mode("hang"), Lie: mode("lie"),
		Open: func(t *testing.T, key *ecdsa.PrivateKey) (keys.Key, error) {
			n++
			uri := fmt.Sprint("awskms:alias/key-", n)
			if err := b.Import(t.Context(), uri, key); err != nil {
				f.mu.Lock()
				f.keys[fmt.Sprint("alias/key-", n)] = key // of a curve that is not taken
				f.mu.Unlock()
			}
			return keys.Backends{b}.Open(t.Context(), "KID", uri)
		}})
}

// TestRealKMS runs the contract's signing against a key in AWS, if one is named.
func TestRealKMS(t *testing.T) {
	uri := os.Getenv("ASC_TEST_AWSKMS_KEY")
	if uri == "" {
		t.Skip("ASC_TEST_AWSKMS_KEY is not set; TestContract has run against the fake")
	}
	k, err := (&Backend{}).Open(t.Context(), "KID", uri)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.SelfTest(t.Context(), k); err != nil {
		t.Error(err)
	}
}

func TestURIs(t *testing.T) {
	for uri, want := range map[string]string{
		"awskms:alias/asc": "alias/asc ", "awskms:alias/asc?region=eu-west-1": "alias/asc eu-west-1",
		"awskms:arn:aws:kms:eu-central-1:1:key/abc": "arn:aws:kms:eu-central-1:1:key/abc eu-central-1", "awskms:": "", "awskms:a b": "",
	} {
		key, region, err := parse(uri)
		if got := key + " " + region; err == nil && got != want || err != nil && strings.TrimSpace(want) != "" {
			t.Errorf("%s: %q %v", uri, got, err)
		}
	}
}
