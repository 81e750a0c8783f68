package memory

import (
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/quotatest"
)

func TestContract(t *testing.T) {
	quotatest.Run(t, func(_ testing.TB, rules quota.Rules) quota.Ledger { return New(rules, time.Now) })
}
