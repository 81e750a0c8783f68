package gcpkms

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// TestHostileKMS holds the bounds of a client against a KMS that was taken over.
// The bounds of the transport are the options that connect adds.
func TestHostileKMS(t *testing.T) {
	const token = "ya29.c0AfTheAccessTokenOfTheGateway0123456789"
	huge := strings.Repeat("x", 8<<20)
	for _, x := range []struct {
		name   string
		answer func(ctx context.Context, method string) (proto.Message, error)
		want   string
		most   int64 // requests
	}{
		{"an answer of 8 MB", func(context.Context, string) (proto.Message, error) {
			return &kmspb.PublicKey{Pem: huge}, nil
		}, "larger than max", 1},
		{"a header of 1 MB", func(ctx context.Context, _ string) (proto.Message, error) {
			_ = grpc.SetHeader(ctx, metadata.Pairs("x", huge[:1<<20]))
			return &kmspb.PublicKey{}, nil
		}, "", 3},
		{"versions without end", func(_ context.Context, method string) (proto.Message, error) {
			list := &kmspb.ListCryptoKeyVersionsResponse{NextPageToken: "more"}
			for range pageSize {
				v := &kmspb.CryptoKeyVersion{Name: method, State: kmspb.CryptoKeyVersion_ENABLED}
				list.CryptoKeyVersions = append(list.CryptoKeyVersions, v)
			}
			return list, nil
		}, "more than", maxPages},
		{"a message with the token", func(context.Context, string) (proto.Message, error) {
			return nil, status.Error(codes.PermissionDenied, "bad: Bearer "+token)
		}, "PermissionDenied", 1},
		{"unavailable for ever", func(context.Context, string) (proto.Message, error) {
			return nil, status.Error(codes.Unavailable, "later")
		}, "", 30},
	} {
		t.Run(x.name, func(t *testing.T) {
			f, b := serve(t)
			var asked atomic.Int64
			f.instead = func(ctx context.Context, method string) (proto.Message, error) {
				asked.Add(1)
				return x.answer(ctx, method)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			uri := "gcpkms:" + ring + "/cryptoKeys/k"
			if !strings.HasPrefix(x.name, "versions") {
				uri += "/cryptoKeyVersions/1"
			}
			begun := time.Now()
			_, err := b.Open(ctx, "K", uri)
			text := fmt.Sprintf("%v %+v", err, err)
			t.Logf("%.200s after %v, %d requests", text, time.Since(begun).Round(time.Millisecond), asked.Load())
			if err == nil || !strings.Contains(text, x.want) || strings.Contains(text, token[5:20]) || len(text) > 1000 {
				t.Errorf("got %s", text)
			}
			if time.Since(begun) > 4*time.Second || asked.Load() > x.most {
				t.Error("not bounded")
			}
		})
	}
}

// TestAnImportEnds holds that its caller's time counts while the job is never
// ready.
func TestAnImportEnds(t *testing.T) {
	f, b := serve(t)
	f.instead = func(_ context.Context, method string) (proto.Message, error) {
		if strings.HasSuffix(method, "CreateCryptoKey") {
			return &kmspb.CryptoKey{}, nil
		}
		return &kmspb.ImportJob{State: kmspb.ImportJob_PENDING_GENERATION}, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Import(ctx, "gcpkms:"+ring+"/cryptoKeys/k", k); err == nil {
		t.Error("it is done")
	}
}
