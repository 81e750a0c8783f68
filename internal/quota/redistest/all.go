package redistest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Rights are what a gateway's user of Redis needs, for a prefix of names: the
// same as in docs/quota.md.
const Rights = "~asc:* &asc:* -@all +@connection +@scripting +@pubsub +@string +@hash +@sortedset +@keyspace " +
	"+@transaction -@dangerous +time +info +config|get +cluster|slots +cluster|shards +cluster|nodes +readonly"

// Kind is a way in which a server may be configured.
type Kind struct {
	URL, CAFile, Username, PasswordFile string
	Cluster                             bool
}

// Kinds starts a server of each: RESP2, RESP3, TLS, a cluster, and one where the
// user has [Rights] only.
func Kinds(t testing.TB) map[string]Kind {
	t.Helper()
	plain, authority := Start(t), NewAuthority(t)
	restricted := Start(t)
	restricted.CLI(append([]string{"ACL", "SETUSER", "gateway", "on", ">secret"}, strings.Fields(Rights)...)...)
	restricted.CLI("ACL", "SETUSER", "default", "off")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]Kind{
		"RESP2":      {URL: plain.URL() + "?protocol=2"},
		"RESP3":      {URL: plain.URL() + "?protocol=3"},
		"TLS":        {URL: "rediss://" + StartTLS(t, authority).Addr + "/0", CAFile: authority.File},
		"Cluster":    {URL: "redis://" + StartCluster(t)[2].Addr + "/0", Cluster: true},
		"few rights": {URL: "redis://" + restricted.Addr + "/0", Username: "gateway", PasswordFile: file},
	}
}
