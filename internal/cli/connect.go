package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/client"
	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// maxPEMBytes bounds files of certificates.
const maxPEMBytes = 1 << 20

// defaultPort is that of the gRPC face.
const defaultPort = "9090"

// connection is how to reach a gateway: what the flags say.
type connection struct {
	login
	context  string
	tls      bool
	priority string
}

func (c *connection) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&c.Plaintext, "plaintext", false, "no TLS; the default for loopback addresses and http://")
	f.BoolVar(&c.tls, "tls", false, "TLS, also on loopback")
	f.StringVar(&c.CAFile, "ca-file", "", "authority that signed the gateway's certificate (PEM); default: the system's")
	f.StringVar(&c.CertFile, "cert-file", "", "client certificate (PEM)")
	f.StringVar(&c.KeyFile, "key-file", "", "key of the client certificate (PEM)")
	f.StringVar(&c.TokenFile, "token-file", "", "file that holds a token or id-token; read for each call")
	f.StringVar(&c.IDTokenEnv, "id-token-env", "", "variable that holds an id-token, such as one of GitLab's id_tokens")
	f.StringVar(
		&c.Audience,
		"audience",
		"",
		"audience of the id-token that GitHub Actions gives; default "+defaultAudience,
	)
	f.StringVar(&c.Team, "team", "", "team, where the gateway has several")
}

// callFlags are the flags of commands that call.
func (c *connection) callFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(
		&c.Address,
		"address",
		"",
		"HOST:PORT of the gRPC face; default ASC_GATEWAY_ADDRESS, the login, or "+defaultAddress,
	)
	f.StringVar(&c.context, "context", "", "name of a login; default the last one")
	c.flags(cmd)
	f.StringVar(&c.priority, "priority", "", "class of the call: interactive, default or batch")
	completeFlag(cmd, "priority", "interactive", "default", "batch")
}

// completeFlag says what a flag can be.
func completeFlag(cmd *cobra.Command, flag string, words ...string) {
	complete := cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	_ = cmd.RegisterFlagCompletionFunc(flag, complete) // the flag exists
}

// defaultAddress is where a gateway listens that nobody has configured.
const defaultAddress = "127.0.0.1:9090"

// settle finds out which gateway is meant and with what credential. A login's
// credential goes only to the login's own address.
func (c *connection) settle(d Deps) error {
	explicit := cmpOr(c.Address, d.Getenv("ASC_GATEWAY_ADDRESS"))
	if explicit == "" || c.context != "" {
		if err := c.fromLogin(d); err != nil {
			return err
		}
	} else {
		c.Address = explicit
	}
	if c.Address == "" {
		c.Address = defaultAddress
	}
	return c.transport()
}

// fromLogin takes what is kept, where flags do not say otherwise.
func (c *connection) fromLogin(d Deps) error {
	k, err := readContexts(d)
	if err != nil {
		return err
	}
	name := cmpOr(c.context, k.Current)
	l, ok := k.Contexts[name]
	switch {
	case !ok && c.context != "":
		return usagef("there is no login %q%s", clip(name), hint(name, sortedKeys(k.Contexts)))
	case !ok:
		return nil
	}
	if c.Address != "" && c.Address != l.Address {
		return usagef("--address and --context name different gateways: give one of them")
	}
	c.Address, c.Plaintext = l.Address, c.Plaintext || l.Plaintext
	c.tls = c.tls || !l.Plaintext && !c.Plaintext
	if c.CertFile == "" {
		c.CertFile, c.KeyFile = l.CertFile, l.KeyFile
	}
	c.CAFile, c.Team, c.Audience = cmpOr(c.CAFile, l.CAFile), cmpOr(c.Team, l.Team), cmpOr(c.Audience, l.Audience)
	fromEnv := d.Getenv("ASC_GATEWAY_TOKEN") != "" || d.Getenv("ASC_GATEWAY_TOKEN_FILE") != ""
	if c.TokenFile == "" && c.IDTokenEnv == "" && (c.context != "" || !fromEnv) {
		c.TokenFile, c.IDTokenEnv, c.Token = l.TokenFile, l.IDTokenEnv, l.Token
	}
	return nil
}

// transport makes HOST:PORT of the address, and decides about TLS.
func (c *connection) transport() error {
	address, port := c.Address, defaultPort
	if rest, ok := strings.CutPrefix(address, "https://"); ok {
		address, port, c.tls = rest, "443", true
	} else if rest, ok := strings.CutPrefix(address, "http://"); ok {
		address, port, c.Plaintext = rest, "80", true
	}
	address = strings.TrimSuffix(address, "/")
	if c.tls && c.Plaintext {
		return usagef("TLS or none? --tls, --plaintext and the address %s do not agree", clip(c.Address))
	}
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		host, p = strings.Trim(address, "[]"), port
	}
	if host == "" || p == "" || strings.ContainsAny(host, "/ @?#") {
		return usagef("%s: want HOST:PORT, such as gateway.example.org:9090", clip(c.Address))
	}
	c.Address = net.JoinHostPort(host, p)
	if !c.tls && loopback(host) {
		c.Plaintext = true
	}
	if c.Plaintext && (c.CAFile != "" || c.CertFile != "") {
		return usagef("certificates are of no use without TLS: add --tls, or drop them")
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// open reaches the gateway that flags, environment and logins mean.
func (c *connection) open(ctx context.Context, d Deps) (*grpc.ClientConn, error) {
	if err := c.settle(d); err != nil {
		return nil, err
	}
	return c.dial(ctx, d)
}

// alive is how a connection that is gone without a word is found while an answer
// is waited for: streams may be silent for hours.
var alive = keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 20 * time.Second}

// dial makes the connection. Nothing is sent to the gateway yet; the token is
// read once, so that a file that is missing is told plainly.
func (c *connection) dial(ctx context.Context, d Deps) (*grpc.ClientConn, error) {
	var options []client.Option
	if c.Plaintext {
		options = append(options, client.Plaintext())
	} else {
		t, err := c.tlsConfig()
		if err != nil {
			return nil, err
		}
		options = append(options, client.TLS(t))
	}
	if source := credentialOf(d, &c.login); source != nil {
		if _, err := source(ctx); err != nil {
			return nil, err
		}
		options = append(options, client.TokenSource(source))
	}
	if c.Team != "" {
		options = append(options, client.Team(c.Team))
	}
	if c.priority != "" {
		options = append(options, client.Priority(c.priority))
	}
	options = append(options, client.With(grpc.WithKeepaliveParams(alive)))
	return client.Dial("passthrough:///"+c.Address, options...)
}

func (c *connection) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		b, err := files.Read(c.CAFile, maxPEMBytes)
		if err != nil {
			return nil, err
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(b) {
			return nil, usagef("--ca-file: %s holds no certificate (PEM)", clip(c.CAFile))
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return nil, usagef("--cert-file and --key-file go together")
	}
	if c.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, usagef("--cert-file, --key-file: they cannot be read, or do not belong together")
		}
		t.Certificates = []tls.Certificate{cert}
	}
	return t, nil
}
