package command

import (
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/cache/spread"
	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/edge/conns"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/redisledger"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"github.com/asc-gateway/asc-gateway/internal/replay"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"github.com/asc-gateway/asc-gateway/internal/telemetry"
	"github.com/asc-gateway/asc-gateway/internal/tlsfiles"
	"github.com/asc-gateway/asc-gateway/internal/watch"
)

// service is a running gateway with what can be reloaded.
type service struct {
	file  string // of the configuration, "" if it is not in a file
	extra []keys.Backend
	log   *slog.Logger

	ring    *keys.Ring
	authn   *authn.Authenticator
	audit   *audit.Log // nil: nothing goes on record
	tls     *tlsfiles.Files
	gateway *gateway.Gateway
	tell    *telemetry.Telemetry
	level   *slog.LevelVar // nil: the flag says it
	limits  *overload.Limiter
	quota   *quota.Manager
	replays *replay.Replays
	shared  *redisledger.Ledger // nil: this replica counts for itself
	db      *redisdb.DB         // nil: no Redis
	spread  *spread.Spread      // nil: no Redis
	free    []func()            // what else to close, before the client of Redis

	secrets *secrets.Secrets
	store   *store.Store // nil: there is none

	cfg     *config.Config                // that it began with; never changes
	over    config.Overrides              // what flags said; they count at every reload
	current atomic.Pointer[config.Config] // that was taken last
	watched *watch.Files

	reloadTime time.Duration          // the longest that a reload is waited for
	reloading  chan struct{}          // holds one: whoever may change held, such as the reload that runs
	step       atomic.Pointer[string] // of the reload that runs or hangs
	held       credentialsByTeam
	unopened   chan struct{} // wakes what opens keys whose custody was away

	mu    sync.Mutex // guards faces
	faces map[string]*conns.Listener

	listening func() // told once the faces are open; may be nil
}

type credentialsByTeam map[string][]keys.Credential

// ready says why calls cannot be served, "" if they can.
func (s *service) ready() string {
	var why []string
	if keys := s.noKey(time.Now()); keys != "" {
		why = append(why, keys)
	}
	if s.audit != nil {
		if err := s.audit.Healthy(); err != nil {
			why = append(why, "the audit log cannot be written: "+err.Error())
		}
	}
	return strings.Join(why, "; ")
}

// degraded says what is not as it should be although calls can be served, "" if
// nothing.
func (s *service) degraded() string {
	var why []string
	if s.db != nil {
		if text := s.db.Degraded(); text != "" {
			why = append(why, text)
		}
	}
	if s.store != nil {
		if err := s.gateway.Jobs.Standing().Err; err != nil {
			why = append(why, "operations: "+fault.As(err).Message)
		}
	}
	return strings.Join(why, "; ")
}

// recorder puts what happens to keys on record.
type recorder struct{ log *audit.Log }

// Signed implements [keys.Observer].
func (r recorder) Signed(team, keyID string, err error) {
	if r.log == nil {
		return
	}
	rec := audit.Record{Event: audit.Signing, Team: team, Key: keyID, Outcome: "OK"}
	if err != nil {
		rec.Outcome = "FAILED"
	}
	r.log.Note(rec)
}

// Broken implements [keys.Observer].
func (r recorder) Broken(team, keyID string) {
	if r.log != nil {
		r.log.Note(
			audit.Record{Event: audit.Signing, Team: team, Key: keyID, Outcome: "REFUSED", Detail: "Apple refuses the key"},
		)
	}
}
