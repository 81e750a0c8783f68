package redisledger

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// Config says where Redis is.
type Config struct {
	URL          string `json:"url"`           // redis://HOST:6379/0, or rediss:// for TLS
	Cluster      bool   `json:"cluster"`       // a Redis Cluster
	Username     string `json:"username"`      // default none
	PasswordFile string `json:"password_file"` // default none
	CAFile       string `json:"ca_file"`       // PEM; default: the system's
}

// Bounds of what is read.
const (
	maxPasswordBytes = 4 << 10
	dialTimeout      = 2 * time.Second // connections are made beside the calls that need them
)

// poolSize is how many connections there are at most: a burst of calls must not
// look like an outage.
const poolSize = 128

// Open makes a client. It does not connect yet.
func Open(c Config) (redis.UniversalClient, error) { return open(c, Timeout) }

func open(c Config, timeout time.Duration) (redis.UniversalClient, error) {
	o := &redis.UniversalOptions{}
	switch parsed, err := redis.ParseURL(c.URL); {
	case err != nil: // the error may quote the URL
		return nil, errors.New("quota.redis.url: want redis://HOST:PORT/DB or rediss://HOST:PORT/DB")
	case parsed.Password != "":
		return nil, errors.New("quota.redis.url: a password belongs into password_file")
	default:
		o.Addrs, o.DB, o.Username, o.TLSConfig = []string{parsed.Addr}, parsed.DB, parsed.Username, parsed.TLSConfig
	}
	if c.Username != "" {
		o.Username = c.Username
	}
	if c.PasswordFile != "" {
		b, err := os.ReadFile(c.PasswordFile)
		if err != nil || len(b) > maxPasswordBytes {
			return nil, errors.Join(fmt.Errorf("quota.redis.password_file: cannot be read, or is larger than %d bytes", maxPasswordBytes), err)
		}
		o.Password = strings.TrimSpace(string(b))
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		pool := x509.NewCertPool()
		if err != nil || !pool.AppendCertsFromPEM(pem) {
			return nil, errors.Join(errors.New("quota.redis.ca_file: holds no certificate"), err)
		}
		if o.TLSConfig == nil {
			return nil, errors.New("quota.redis.ca_file: wants a rediss:// URL")
		}
		o.TLSConfig = &tls.Config{ServerName: o.TLSConfig.ServerName, RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	o.IsClusterMode = c.Cluster
	o.MaxRetries, o.MaxRedirects = -1, 2
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = dialTimeout, timeout, timeout, timeout
	o.ContextTimeoutEnabled = true
	o.MinIdleConns, o.PoolSize, o.DialerRetries = 2, poolSize, 1
	logging.Disable() // what matters is told by Ledger, once
	return redis.NewUniversalClient(o), nil
}
