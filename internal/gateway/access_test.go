package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"time"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	provisioningv1 "github.com/asc-gateway/asc-gateway/gen/asc/provisioning/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	usersv1 "github.com/asc-gateway/asc-gateway/gen/asc/users/v1"
	quotav1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/quota/v1"
	tokensv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/tokens/v1"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/memory"
	"github.com/asc-gateway/asc-gateway/internal/tokens"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// forged are headers that claim to be someone else.
var forged = []string{
	"X-Forwarded-Client-Cert",
	"URI=spiffe://example.org/ns/platform/sa/x",
	"X-Spiffe-Id",
	"spiffe://example.org/ns/platform/sa/x",
	"Asc-Principal",
	"token:admin",
	"Grpc-Metadata-Authorization",
	"Bearer x",
	"Principal",
	"token:admin",
}

// TestTheSameCallerOnEveryFace reads and writes over gRPC, REST and the
// passthrough as several callers: the answers must be the same everywhere.
func TestTheSameCallerOnEveryFace(t *testing.T) {
	v := newVault(t)
	cert := func(id string) []tls.Certificate { return []tls.Certificate{v.ca.issue(t, id)} }
	group := v.sandbox.IDs("betaGroups")[1] // of the second app
	for _, c := range []struct {
		name        string
		token       string
		certs       []tls.Certificate
		read, write codes.Code
	}{
		{"nobody", "", nil, codes.Unauthenticated, codes.Unauthenticated},
		{"a wrong token", "wrong", nil, codes.Unauthenticated, codes.Unauthenticated},
		{"a stranger", "stranger", nil, codes.PermissionDenied, codes.PermissionDenied},
		{"a reader", "reader", nil, codes.OK, codes.PermissionDenied},
		{"an administrator", "admin", nil, codes.OK, codes.OK},
		{"kept to another app", "kept", nil, codes.PermissionDenied, codes.PermissionDenied},
		{"a certificate that reads", "", cert("spiffe://example.org/ns/ci/sa/reader"), codes.OK, codes.PermissionDenied},
		{"a certificate of the platform", "", cert("spiffe://example.org/ns/platform/sa/x"), codes.OK, codes.OK},
		{"a certificate that nobody knows", "", cert("spiffe://example.org/ns/other"), codes.PermissionDenied, codes.PermissionDenied},
		{"a token beside a better certificate", "reader", cert("spiffe://example.org/ns/platform/sa/x"), codes.OK, codes.PermissionDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers := append([]string{}, forged...)
			if c.token != "" {
				token := v.tokens[c.token]
				if token == "" {
					token = c.token
				}
				headers = append(headers, "Authorization", "Bearer "+token)
			}
			want := map[codes.Code]int{codes.OK: 200, codes.Unauthenticated: 401, codes.PermissionDenied: 403}
			for face, address := range map[string]string{"REST": v.rest, "passthrough": v.apple} {
				if got, h, body := v.send(t, "GET", address+"/v1/betaGroups/"+group, "", c.certs, headers...); got != want[c.read] ||
					got == 401 && h.Get("WWW-Authenticate") == "" {
					t.Errorf("%s reads: %d %s", face, got, body)
				}
				body := `{"name": "New name"}`
				if face == "passthrough" {
					body = fmt.Sprintf(
						`{"data": {"type": "betaGroups", "id": %q, "attributes": {"name": "New name"}}}`,
						group,
					)
				}
				if got, _, answer := v.send(t, "PATCH", address+"/v1/betaGroups/"+group, body, c.certs, headers...); got != want[c.write] {
					t.Errorf("%s writes: %d %s", face, got, answer)
				}
			}
			ctx := t.Context()
			for i := 0; i+1 < len(headers); i += 2 {
				ctx = metadata.AppendToOutgoingContext(ctx, strings.ToLower(headers[i]), headers[i+1])
			}
			conn := v.dialTLS(t, c.certs)
			groups := testflightv1.NewBetaGroupsServiceClient(conn)
			if _, err := groups.GetBetaGroup(ctx, &testflightv1.GetBetaGroupRequest{Id: group}); status.Code(
				err,
			) != c.read {
				t.Errorf("gRPC reads: %v", err)
			}
			if _, err := groups.UpdateBetaGroup(ctx, &testflightv1.UpdateBetaGroupRequest{Id: group, Name: proto.String("x")}); status.Code(
				err,
			) != c.write {
				t.Errorf("gRPC writes: %v", err)
			}
		})
	}
}

// dialTLS connects to the gateway's gRPC face.
func (v *vault) dialTLS(t *testing.T, certs []tls.Certificate) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(
		v.grpc,
		grpc.WithTransportCredentials(
			credentials.NewTLS(&tls.Config{RootCAs: v.ca.pool, ServerName: "localhost", Certificates: certs}),
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestRecords holds what goes on record, and that nothing changes without it.
func TestRecords(t *testing.T) {
	v := newVault(t)
	bundles := provisioningv1.NewBundleIdsServiceClient(v.conn)
	made, err := create(v.ctx(t, "admin"), bundles, "com.example.audited")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := create(v.ctx(t, "reader"), bundles, "com.example.no"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("got %v", err)
	}
	if _, err := bundles.DeleteBundleId(v.ctx(t, "admin"), &provisioningv1.DeleteBundleIdRequest{Id: "none"}); status.Code(
		err,
	) != codes.NotFound {
		t.Errorf("got %v", err)
	}
	if _, err := bundles.ListBundleIds(v.ctx(t, "reader"), &provisioningv1.ListBundleIdsRequest{}); err != nil {
		t.Error(err)
	}
	got := strings.Join(v.records.texts(), "\n")
	for _, want := range []string{"intent token:admin CreateBundleId", "outcome token:admin CreateBundleId OK", "denial token:reader CreateBundleId PERMISSION_DENIED POLICY_DENIED",
		"outcome token:admin DeleteBundleId NOT_FOUND NOT_FOUND"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not on record:\n%s", want, got)
		}
	}
	if strings.Contains(got, "ListBundleIds") {
		t.Errorf("a read is on record:\n%s", got)
	}
	outcome := v.records.list[1]
	if outcome.Key != "KEY" || outcome.Rule != "admin" || outcome.Team != "team" ||
		outcome.Call != v.records.list[0].Call ||
		strings.Join(outcome.Resources, " ") != "bundleIds/"+made.GetBundleId().GetId() {
		t.Errorf("got %+v", outcome)
	}
}

// TestAuditSinkDown is the row "audit sink down" of the degradation table.
func TestAuditSinkDown(t *testing.T) {
	v := newVault(t)
	v.records.mu.Lock()
	v.records.fail = fault.New(fault.Unavailable, audit.ReasonUnavailable, "the call cannot be put on record, so it is not made").
		WithCause(syscall.ENOSPC)
	v.records.mu.Unlock()
	before := v.upstream.count()
	_, err := create(v.ctx(t, "admin"), provisioningv1.NewBundleIdsServiceClient(v.conn), "com.example.unrecorded")
	if status.Code(err) != codes.Unavailable || v.upstream.count() != before {
		t.Errorf("a call that cannot be put on record was made: %v", err)
	}
	if _, err := metadatav1.NewAppsServiceClient(v.conn).ListApps(v.ctx(t, "reader"), &metadatav1.ListAppsRequest{}); err != nil {
		t.Errorf("reads stop: %v", err)
	}
}

// TestMintToken lets a caller talk to Apple itself.
func TestMintToken(t *testing.T) {
	v := newVault(t)
	service := tokensv1.NewTokenServiceClient(v.conn)
	res, err := service.MintToken(v.ctx(t, "admin"), &tokensv1.MintTokenRequest{Scope: []string{"GET /v1/apps"}})
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequestWithContext(t.Context(), "GET", v.address+"/v1/apps", nil)
	r.Header.Set("Authorization", "Bearer "+res.GetToken())
	answer, err := v.http.Do(r)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("the token is refused: %v %v", answer, err)
	}
	answer.Body.Close()
	sum := sha256.Sum256([]byte(res.GetToken()))
	v.records.mu.Lock()
	found := false
	for _, rec := range v.records.list {
		found = found ||
			rec.Event == audit.Grant && rec.Token == hex.EncodeToString(sum[:]) && rec.Principal == "token:admin"
	}
	v.records.mu.Unlock()
	if !found {
		t.Error("the grant is not on record")
	}
	for name, want := range map[string]codes.Code{"reader": codes.PermissionDenied, "kept": codes.PermissionDenied} {
		if _, err := service.MintToken(v.ctx(t, name), &tokensv1.MintTokenRequest{Scope: []string{"GET /v1/apps"}}); status.Code(
			err,
		) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, req := range map[string]*tokensv1.MintTokenRequest{"no scope": {}, "a scope": {Scope: []string{"GET ../x"}}, "another": {Scope: []string{"TRACE /v1/apps"}},
		"a wildcard": {Scope: []string{"GET /v1/apps/*"}}, "no such team": {Team: "other", Scope: []string{"GET /v1/apps"}}} {
		if _, err := service.MintToken(v.ctx(t, "admin"), req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	for scope, want := range map[string]codes.Code{"GET /v1/newThings/1": codes.OK, "GET /v1/other/1": codes.PermissionDenied, "GET /v1/Apps": codes.PermissionDenied, "DELETE /v1/bundleIds/1": codes.OK} {
		if _, err := service.MintToken(v.ctx(t, "admin"), &tokensv1.MintTokenRequest{Scope: []string{"GET /v1/apps", scope}}); status.Code(
			err,
		) != want {
			t.Errorf("%s: %v, want %v", scope, err, want)
		}
	}
	if code, _, body := v.send(t, "POST", v.rest+"/ascgateway/v1/tokens", `{"lifetime": "60s", "scope": ["GET /v1/apps?limit=1"]}`, nil, v.as("admin")...); code != 200 ||
		!strings.Contains(string(body), `"token"`) {
		t.Errorf("REST: %d", code)
	}
	v.gateway.Tokens.Configure(tokens.Config{})
	if _, err := service.MintToken(v.ctx(t, "admin"), &tokensv1.MintTokenRequest{}); status.Code(
		err,
	) != codes.FailedPrecondition {
		t.Errorf("it is on by default: %v", err)
	}
}

// TestNoSecretsAnywhere provokes all kinds of trouble, and then looks for every
// secret in everything that came out.
func TestNoSecretsAnywhere(t *testing.T) {
	v := newVault(t)
	var out bytes.Buffer
	for _, name := range []string{"admin", "reader", "kept", "stranger"} {
		for _, path := range []string{"/v1/apps", "/v1/apps/none", "/v1/nothing", "/v1/users", "/ascgateway/v1/catalog/operations?query=x"} {
			for _, face := range []string{v.rest, v.apple} {
				_, h, body := v.send(t, "GET", face+path, "", nil, v.as(name)...)
				fmt.Fprintln(&out, h, string(body))
			}
		}
		_, err := usersv1.NewUsersServiceClient(v.conn).
			ListUsers(v.ctx(t, name), &usersv1.ListUsersRequest{Sort: []string{"nonsense"}})
		fmt.Fprintln(&out, err)
	}
	wrong := []string{
		"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzZWNyZXQifQ.c2lnbmF0dXJl",
		"ascgw_wrong-but-secret-all-the-same",
		"eyJhbGciOiJ7.{}.x",
	}
	for _, token := range wrong {
		_, h, body := v.send(t, "GET", v.rest+"/v1/apps", "", nil, "Authorization", "Bearer "+token)
		fmt.Fprintln(&out, h, string(body))
	}
	for _, f := range []sandbox.Fault{{Path: "/v1/apps", Status: 401, Count: 9}, {Path: "/v1/apps", Status: 500, Count: 9}} {
		v.sandbox.AddFault(f)
		_, err := metadatav1.NewAppsServiceClient(v.conn).ListApps(v.ctx(t, "admin"), &metadatav1.ListAppsRequest{})
		fmt.Fprintln(&out, err)
	}
	for _, p := range []string{"goroutine", "heap"} {
		if err := pprof.Lookup(p).WriteTo(&out, 1); err != nil {
			t.Fatal(err)
		}
	}
	out.WriteString(v.pagesOf(t))
	fmt.Fprintf(&out, "%v %+v %#v", v.gateway.Client, v.gateway.Guard, v.gateway.Server)
	out.WriteString(v.log.String())
	b, _ := json.Marshal(v.records.list)
	out.Write(b)
	der, err := x509.MarshalPKCS8PrivateKey(v.private)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := v.private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{
		"PKCS #8":               base64.StdEncoding.EncodeToString(der)[40:80],
		"the scalar":            hex.EncodeToString(scalar),
		"the scalar in base64":  base64.StdEncoding.EncodeToString(scalar)[:40],
		"the scalar in decimal": new(big.Int).SetBytes(scalar).String(),
		"the scalar as bytes":   fmt.Sprint(scalar),
	}
	for name, token := range v.tokens {
		secrets["the token of "+name] = token
	}
	for i, token := range wrong {
		secrets[fmt.Sprint("wrong token ", i)] = token
	}
	v.upstream.mu.Lock()
	for i, r := range v.upstream.seen {
		bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		secrets[fmt.Sprint("the bearer of request ", i)] = bearer[len(bearer)-60:]
		for name, token := range v.tokens {
			for _, values := range r.Header {
				if strings.Contains(strings.Join(values, " "), token) {
					t.Errorf("Apple was sent the token of %s", name)
				}
			}
		}
	}
	v.upstream.mu.Unlock()
	if out.Len() < 10_000 || v.upstream.count() < 10 {
		t.Fatalf("only %d bytes came out of %d requests", out.Len(), v.upstream.count())
	}
	for name, secret := range secrets {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s came out", name)
		}
	}
}

// TestAuditMode tries a policy out: nothing is denied, and what would be stands
// on record.
func TestAuditMode(t *testing.T) {
	v := newVault(t)
	p, err := policy.Parse(
		"policy.yaml",
		fmt.Appendf(
			nil,
			strings.Replace(vaultPolicy, "version: 1", "version: 1\nmode: audit", 1),
			v.sandbox.IDs("apps")[0],
		),
		v.gateway.Guard.Methods(),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.gateway.Guard.SetPolicy(p); err != nil {
		t.Fatal(err)
	}
	apps := metadatav1.NewAppsServiceClient(v.conn)
	if res, err := apps.ListApps(v.ctx(t, "kept"), &metadatav1.ListAppsRequest{}); err != nil ||
		len(res.GetApps()) != len(v.sandbox.IDs("apps")) {
		t.Errorf("the list is filtered: %v %v", res, err)
	}
	if _, err := apps.GetApp(v.ctx(t, "kept"), &metadatav1.GetAppRequest{Id: v.sandbox.IDs("apps")[1]}); err != nil {
		t.Error(err)
	}
	if _, err := apps.GetApp(v.ctx(t, "stranger"), &metadatav1.GetAppRequest{Id: v.sandbox.IDs("apps")[1]}); err != nil {
		t.Error(err)
	}
	got := strings.Join(v.records.texts(), "\n")
	for _, want := range []string{"denial token:kept GetApp PERMISSION_DENIED APP_RESTRICTED", "denial token:stranger GetApp PERMISSION_DENIED POLICY_DENIED"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not on record:\n%s", want, got)
		}
	}
}

// TestQuota lets the gateway, not Apple, hold calls back: an hour of 40 requests
// is never run over, and who cannot wait is told when to come again.
func TestQuota(t *testing.T) {
	s, err := sandbox.Open(sandbox.World{HourLimit: 40})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	m := quota.New(quota.Config{}, memory.New(quota.Rules{}, time.Now), slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = m.Close() })
	seen := &recorder{next: s}
	w := serveWorld(t, s, httptest.NewServer(seen), ringOf(private), Deps{Quota: m})
	served, refused := 0, 0
	for range 60 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := metadatav1.NewAppsServiceClient(w.conn).
			ListApps(metadata.AppendToOutgoingContext(ctx, "asc-priority", "interactive"), &metadatav1.ListAppsRequest{})
		cancel()
		switch status.Code(err) {
		case codes.OK:
			served++
		case codes.ResourceExhausted:
			refused++
			retry := time.Duration(0)
			for _, d := range status.Convert(err).Details() {
				if r, ok := d.(*errdetails.RetryInfo); ok {
					retry = r.GetRetryDelay().AsDuration()
				}
			}
			if retry < time.Minute || !strings.Contains(fmt.Sprint(status.Convert(err).Details()), "violations") {
				t.Errorf("come again in %v: %v", retry, err)
			}
		default:
			t.Error(err)
		}
	}
	if served != 40 || refused != 20 || seen.count() != 40 {
		t.Errorf("%d served, %d refused, %d requests to Apple", served, refused, seen.count())
	}
	if status, _, body := w.do(t, "GET", "/ascgateway/v1/quota", ""); status != 200 ||
		!strings.Contains(strings.ReplaceAll(string(body), " ", ""), `"keyId":"KEY","limit":40,"used":40`) {
		t.Errorf("GetQuota: %d %s", status, body)
	}
	watch, err := quotav1.NewQuotaServiceClient(w.conn).WatchQuota(t.Context(), &quotav1.WatchQuotaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := watch.Recv(); err != nil || len(first.GetKeys()) != 1 || first.GetKeys()[0].GetLimit() != 40 {
		t.Errorf("WatchQuota: %v %v", first, err)
	}
	if _, _, body := w.do(t, "GET", "/v1/apps", "", "Asc-Priority", "urgent"); !strings.Contains(
		string(body),
		"asc-priority",
	) {
		t.Errorf("a class that is none: %s", body)
	}
}
