// Package redisdb is the Redis that replicas share: its client with its bounds,
// the names of keys and channels, and whether its memory policy lets it forget.
//
// It must never follow an answer to a place that the configuration does not
// name (a Redis Cluster names its own nodes), never take an answer of any
// length, and never let two deployments use the same names.
package redisdb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Config says where Redis is.
type Config struct {
	URL          string `json:"url"`           // redis://HOST:6379/0, or rediss:// for TLS
	Prefix       string `json:"prefix"`        // of all names there; default "asc"
	Cluster      bool   `json:"cluster"`       // a Redis Cluster
	Username     string `json:"username"`      // default none
	PasswordFile string `json:"password_file"` // read for each connection; default none
	CAFile       string `json:"ca_file"`       // PEM; default: the system's
}

// Bounds of what is read, and of waiting.
const (
	maxPasswordBytes = 4 << 10
	maxCABytes       = 1 << 20
	dialTimeout      = 2 * time.Second // connections are made beside the calls that need them
	// Patience is the longest that any command waits. Callers bound theirs by a
	// context.
	Patience = time.Second
	// connectionLife is how long a connection is used, so that a rotated password
	// is taken by all of them.
	connectionLife = 30 * time.Minute
)

// poolSize is how many connections there are at most: a burst of calls must not
// look like an outage.
const poolSize = 128

// DB is a Redis of one deployment. It is safe for use by many goroutines.
type DB struct {
	redis.UniversalClient
	Names

	policy atomic.Pointer[string] // nil: not asked yet; "": not allowed to ask
	dialed chan struct{}          // a connection was made
	stop   context.CancelFunc     // nil: nobody watches
	watch  sync.WaitGroup
}

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Open makes a client for a deployment that calls the upstream at a base URL. It
// does not connect yet.
func Open(c Config, baseURL string) (*DB, error) {
	o, err := c.address()
	if err != nil {
		return nil, err
	}
	prefix := c.Prefix
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if !prefixForm.MatchString(prefix) {
		return nil, fmt.Errorf("quota.redis.prefix: %q: want 1 to 64 of A-Z a-z 0-9 _ . -", prefix)
	}
	if err := c.authority(o); err != nil {
		return nil, err
	}
	if c.PasswordFile != "" {
		if _, err := c.password(); err != nil {
			return nil, err
		}
		o.CredentialsProviderContext = func(context.Context) (string, string, error) {
			password, err := c.password()
			return o.Username, password, err
		}
	}
	db := &DB{Names: NewNames(prefix, baseURL), dialed: make(chan struct{}, 1)}
	o.Dialer = dialer{tls: o.TLSConfig, made: db.dialed}.dial
	o.TLSConfig = nil // the dialer's
	o.IsClusterMode = c.Cluster
	o.MaxRetries, o.MaxRedirects = -1, 2
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = dialTimeout, Patience, Patience, Patience
	o.ContextTimeoutEnabled = true
	o.MinIdleConns, o.PoolSize, o.DialerRetries = 2, poolSize, 1
	o.ConnMaxLifetime, o.ConnMaxLifetimeJitter = connectionLife, connectionLife/10
	// A server could else send its clients elsewhere, by a push.
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	logging.Disable() // what matters is told by who uses it, once
	db.UniversalClient = redis.NewUniversalClient(o)
	return db, nil
}

// address reads the URL. Errors do not quote it.
func (c Config) address() (*redis.UniversalOptions, error) {
	parsed, err := redis.ParseURL(c.URL)
	_, query, _ := strings.Cut(c.URL, "?")
	switch {
	case err != nil || parsed.Network != "tcp":
		return nil, errors.New("quota.redis.url: want redis://HOST:PORT/DB or rediss://HOST:PORT/DB")
	case parsed.Password != "":
		return nil, errors.New("quota.redis.url: a password belongs into password_file")
	case query != "" && query != "protocol=2" && query != "protocol=3": // skip_verify is one
		return nil, errors.New("quota.redis.url: takes no parameter but protocol=2 or protocol=3")
	}
	o := &redis.UniversalOptions{
		Addrs:     []string{parsed.Addr},
		DB:        parsed.DB,
		Protocol:  parsed.Protocol,
		Username:  parsed.Username,
		TLSConfig: parsed.TLSConfig,
	}
	if c.Username != "" {
		o.Username = c.Username
	}
	return o, nil
}

// authority reads who signs the certificate of Redis. In a cluster each node's
// certificate must be for the host of the URL.
func (c Config) authority(o *redis.UniversalOptions) error {
	if o.TLSConfig != nil {
		o.TLSConfig = &tls.Config{ServerName: o.TLSConfig.ServerName, MinVersion: tls.VersionTLS12}
	}
	if c.CAFile == "" {
		return nil
	}
	if o.TLSConfig == nil {
		return errors.New("quota.redis.ca_file: wants a rediss:// URL")
	}
	pem, err := files.Read(c.CAFile, maxCABytes)
	if err != nil {
		return fmt.Errorf("quota.redis.ca_file: %w", err)
	}
	o.TLSConfig.RootCAs = x509.NewCertPool()
	if !o.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
		return errors.New("quota.redis.ca_file: holds no certificate")
	}
	return nil
}

// password is what the file holds now.
func (c Config) password() (string, error) {
	b, err := files.Read(c.PasswordFile, maxPasswordBytes)
	if err != nil {
		return "", fmt.Errorf("quota.redis.password_file: %w", err)
	}
	password := strings.TrimSpace(string(b))
	if password == "" {
		return "", fmt.Errorf("quota.redis.password_file: %s is empty", c.PasswordFile)
	}
	return password, nil
}

// Close ends all connections, and [DB.Watch].
func (db *DB) Close() error {
	if db.stop != nil {
		db.stop()
		db.watch.Wait()
	}
	return db.UniversalClient.Close()
}
