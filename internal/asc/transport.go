package asc

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// CheckBaseURL accepts https URLs without a path, and http on loopback.
func CheckBaseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("base URL %q: want https://HOST", s)
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return nil, fmt.Errorf("base URL %q: only a loopback address may be plain http", s)
	}
	u.Path = ""
	return u, nil
}

// ProxyEnvironment is the value of [Config.Proxy] that lets HTTPS_PROXY, HTTP_PROXY
// and NO_PROXY decide.
const ProxyEnvironment = "environment"

// CheckProxy reads a proxy setting: "" is none, [ProxyEnvironment] what the
// environment says, anything else the URL of a proxy, without a password.
func CheckProxy(s string) (func(*http.Request) (*url.URL, error), error) {
	switch s {
	case "":
		return nil, nil
	case ProxyEnvironment:
		return http.ProxyFromEnvironment, nil
	}
	u, err := url.Parse(s)
	schemes := []string{"http", "https", "socks5", "socks5h"}
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" ||
		!slices.Contains(schemes, u.Scheme) {
		return nil, fmt.Errorf(
			"want the URL of a proxy, such as http://proxy.example.org:3128, without a password, or %q",
			ProxyEnvironment,
		)
	}
	return http.ProxyURL(u), nil
}

// Bounds of a connection.
const (
	dialTimeout      = 10 * time.Second // with the look-up of the name
	handshakeTimeout = 10 * time.Second
	idleConnTimeout  = 90 * time.Second
	pingAfter        = 15 * time.Second // of silence on an HTTP/2 connection that calls wait on
	pingTimeout      = 15 * time.Second // a connection that does not answer is given up
	maxHeaderBytes   = 64 << 10         // of an answer, interim ones (1xx) included
)

func newTransport(cfg Config) (*http.Transport, error) {
	proxy, err := CheckProxy(cfg.Proxy)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return &http.Transport{
		Proxy:             proxy,
		DialContext:       (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2: true,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  pingAfter,
			PingTimeout:      pingTimeout,
			WriteByteTimeout: pingTimeout,
		},
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  cfg.AttemptTimeout,
		IdleConnTimeout:        idleConnTimeout,
		MaxIdleConns:           200,
		MaxIdleConnsPerHost:    100,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // files must pass untouched; JSON is unpacked here
	}, nil
}
