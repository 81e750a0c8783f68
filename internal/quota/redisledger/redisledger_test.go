package redisledger

import (
	"log/slog"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/quotatest"
	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const upstream = "https://api.example"

var quiet = slog.New(slog.DiscardHandler)

func newLedger(t testing.TB, url string, rules quota.Rules) *Ledger {
	t.Helper()
	db, err := redisdb.Open(redisdb.Config{URL: url}, upstream)
	if err != nil {
		t.Fatal(err)
	}
	l := New(db, rules, quiet)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestContract(t *testing.T) {
	server := redistest.Start(t)
	quotatest.Run(t, func(t testing.TB, rules quota.Rules) quota.Ledger { // without the substitute, which would hide what fails
		db, err := redisdb.Open(redisdb.Config{URL: server.URL()}, upstream)
		if err != nil {
			t.Fatal(err)
		}
		s := newShared(db, rules, quiet)
		s.limit = 5 * time.Second // a busy machine is no outage
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
}
