package command

import (
	"cmp"
	"os"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/edge/conns"
	"github.com/asc-gateway/asc-gateway/internal/jobs"
	"github.com/asc-gateway/asc-gateway/internal/kept"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"github.com/asc-gateway/asc-gateway/internal/server"
	"github.com/asc-gateway/asc-gateway/internal/tokens"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"github.com/asc-gateway/asc-gateway/internal/usecase/workflows"
)

// inForce fills in what the parts of the gateway take where a configuration says
// nothing.
func inForce(c *config.Config) {
	setDefault(&c.Audit.MaxBytes, audit.DefaultMaxBytes)
	setDefault(&c.Audit.Timeout, config.Duration(audit.DefaultTimeout))
	setDefault(&c.Tokens.MaxLifetime, config.Duration(tokens.DefaultLifetime))
	setDefault(&c.Quota.HourLimit, quota.DefaultHourLimit)
	setDefault(&c.Quota.MaxWait, config.Duration(quota.DefaultMaxWait))
	setDefault(&c.Quota.MaxWaitBatch, config.Duration(quota.DefaultMaxWaitBatch))
	setDefault(&c.Limits.MaxCalls, overload.DefaultMaxCalls)
	setDefault(&c.Limits.MaxBodies, overload.DefaultMaxBodies)
	setDefault(&c.Limits.MaxWatches, overload.DefaultMaxWatches)
	setDefault(&c.Limits.MaxUploads, overload.DefaultMaxUploads)
	setDefault(&c.Limits.MaxConnections, conns.DefaultMax)
	setDefault(&c.Limits.MaxConnectionsPerAddress, min(conns.DefaultPerAddress, c.Limits.MaxConnections))
	setDefault(&c.Limits.MaxConnectionAge, config.Duration(server.DefaultMaxConnectionAge))
	setDefault(&c.Streams.Grace, config.Duration(server.DefaultStreamGrace))
	setDefault(&c.Log.Level, "info")
	setDefault(&c.Store.Retention, config.Duration(jobs.DefaultRetention))
	setDefault(&c.Jobs.Workers, jobs.DefaultWorkers)
	setDefault(&c.Jobs.BuildEvery, config.Duration(workflows.DefaultBuildEvery))
	setDefault(&c.Jobs.ReviewEvery, config.Duration(workflows.DefaultReviewEvery))
	setDefault(&c.Uploads.Memory, uploads.DefaultMemory)
	setDefault(&c.Uploads.Parallel, uploads.DefaultParallel)
	setDefault(&c.Reports.CacheBytes, kept.DefaultBytes)
	if len(c.Uploads.Hosts) == 0 {
		c.Uploads.Hosts = []string{"apple.com"}
	}
	if c.Telemetry.TrustTraceContext == nil {
		trusted := c.Trusted()
		c.Telemetry.TrustTraceContext = &trusted
	}
	for i := range c.Teams {
		for j := range c.Teams[i].Keys {
			setDefault(&c.Teams[i].Keys[j].State, string(keys.Active))
		}
	}
	for i := range c.Authn.Issuers {
		s := &c.Authn.Issuers[i]
		setDefault(&s.StaleHours, int(24*time.Hour/time.Hour))
		if len(s.Algorithms) == 0 {
			s.Algorithms = []string{"RS256", "ES256"}
		}
	}
	if r := c.Quota.Redis; r != nil {
		setDefault(&r.Prefix, redisdb.DefaultPrefix)
	}
	if v := c.Vault; v != nil {
		setDefault(&v.Mount, "transit")
		setDefault(&v.Auth.Mount, v.Auth.Method)
	}
}

// setDefault gives a setting that is not set its default.
func setDefault[T cmp.Ordered](setting *T, value T) { *setting = cmp.Or(*setting, value) }

// exists says whether there is a file of a name.
func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
