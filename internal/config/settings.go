package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"github.com/invopop/jsonschema"
)

// Quota is how the requests that Apple grants are shared. It needs a restart.
type Quota struct {
	HourLimit    int            `json:"hour_limit"`     // of a key, until Apple tells; default 3600
	Minutes      map[string]int `json:"minutes"`        // of classes of endpoints, such as "GET builds", until Apple tells; default none
	MaxWait      Duration       `json:"max_wait"`       // of calls without a deadline; default 1m
	MaxWaitBatch Duration       `json:"max_wait_batch"` // of batch calls without a deadline; default 15m
	// Redis holds the ledger of several replicas, and the request_ids that they
	// have seen; default none: each replica has its own.
	Redis *redisdb.Config `json:"redis"`
	// TimeScale is how fast Apple's hour goes by; default 1. For tests, beside a
	// sandbox with the same scale.
	TimeScale float64 `json:"time_scale"`
}

// Cache is how long answers are kept.
type Cache struct {
	MaxBytes *int64 `json:"max_bytes"` // default 64 MiB; 0: nothing is kept. It needs a restart
	// Lifetimes: the first that matches counts; default: what hardly ever changes,
	// such as territories and price points.
	Lifetimes []Lifetime `json:"lifetimes"`
}

// Lifetime of the answers of some methods.
type Lifetime struct {
	Methods []string `json:"methods"` // as in a policy: "asc.metadata.v1.TerritoriesService/*"
	For     Duration `json:"for"`     // "0s": they are not kept
}

// DefaultCacheBytes is how much of answers is kept.
const DefaultCacheBytes = 64 << 20

// Limits are beyond which calls are shed with RESOURCE_EXHAUSTED. Of each kind of
// room a caller has a share by its weight.
type Limits struct {
	MaxCalls   int   `json:"max_calls"`   // at once, those that wait for the quota included; default 4096
	MaxBodies  int   `json:"max_bodies"`  // request bodies that are read at once; default 1024
	MaxWatches int   `json:"max_watches"` // open-ended streams at once; default 512
	MaxUploads int   `json:"max_uploads"` // files on their way at once; default 128
	MaxMemory  int64 `json:"max_memory"`  // bytes of live heap; default no bound
	// MaxConnections are those of one face at once, default 2048. Beyond it, the
	// oldest over which nobody was identified makes room.
	MaxConnections           int `json:"max_connections"`
	MaxConnectionsPerAddress int `json:"max_connections_per_address"` // of one IP address to one face; default 1024
	// MaxConnectionAge is of gRPC and the one port, then callers open another; default
	// 1h. It needs a restart.
	MaxConnectionAge Duration `json:"max_connection_age"`
}

// Secrets says where the secret is that replicas share.
type Secrets struct {
	File string `json:"file"` // mode 0600, made if it is missing; "": page tokens end with the process
}

// Store is the database of what must last: operations, and the request_ids that
// were seen where there is no Redis. It needs a restart, and secrets.file.
type Store struct {
	store.Config
	// Retention is how long operations that are done are kept; default 720h.
	Retention Duration `json:"retention"`
}

// Jobs are operations that go on after their call. They need a store, and a
// restart.
type Jobs struct {
	Workers     int      `json:"workers"`      // operations that run at once at a replica; default 8
	BuildEvery  Duration `json:"build_every"`  // how often a build is looked at that Apple processes; default 30s
	ReviewEvery Duration `json:"review_every"` // how often a review is looked at; default 2m
}

// Uploads are files on their way to Apple. They need a restart.
type Uploads struct {
	// Memory is what parts of all files may hold, in bytes; default 24 MiB. A part of
	// Apple's that is larger passes through, and cannot be sent again by the gateway.
	Memory   int64 `json:"memory"`
	Parallel int   `json:"parallel"` // parts of one file on their way at once; default 4
	// Hosts that Apple's URLs may be on, each with all below it; default apple.com.
	// The origin of upstream.base_url is always one.
	Hosts []string `json:"hosts"`
}

// Reports are Apple's reports that are read as rows. They need a restart.
type Reports struct {
	// CacheDir is a folder of its own for sales reports of days that are over: they never
	// change, and are asked for once. What it holds is sealed with secrets.file. Default
	// none: every read asks Apple.
	CacheDir   string `json:"cache_dir"`
	CacheBytes int64  `json:"cache_bytes"` // on disk; default 1 GiB
}

// Streams are calls whose answers take long.
type Streams struct {
	// Grace is how long a stream outlives the expiry of its caller's certificate
	// or token; default 1h. A token, key or right that is taken away ends it at
	// once. It needs a restart.
	Grace Duration `json:"grace"`
}

// Telemetry is what OTEL_* variables do not say.
type Telemetry struct {
	// TrustTraceContext continues the traces of callers; else they are linked.
	// Default true where callers are authenticated. It needs a restart.
	TrustTraceContext *bool `json:"trust_trace_context"`
}

// Log is what is written to standard error.
type Log struct {
	Level string `json:"level"` // debug, info (default), warn or error; the flag --log-level counts more
}

// Ops is what the ops face serves beside health and metrics.
type Ops struct {
	Profiles bool `json:"profiles"` // /debug/pprof; default off. It needs a restart
}

// Duration is written as text: "90s".
type Duration time.Duration

// MarshalJSON implements [json.Marshaler].
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// JSONSchema says how it is written.
func (Duration) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{
		Type:     "string",
		Pattern:  `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`,
		Examples: []any{"90s"},
	}
}

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return errors.New(`want a duration in quotes, such as "90s"`)
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration such as 90s or 10m", s)
	}
	*d = Duration(v)
	return nil
}
