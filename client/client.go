// Package client helps Go programs to call the gateway over gRPC: connections
// with a credential, repetition where the gateway says so, pages as iterators,
// and included resources by id.
//
//	conn, err := client.Dial("asc-gateway.apple.svc:9090", client.TokenFile("/var/run/secrets/asc/token"), client.Priority("batch"))
//	builds := testflightv1.NewBuildsServiceClient(conn)
//	for b, err := range client.Items(ctx, &testflightv1.ListBuildsRequest{}, builds.ListBuilds, (*testflightv1.ListBuildsResponse).GetBuilds) { … }
//
// The messages and services are in the packages below gen/asc.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// DefaultRetries is how often a call is repeated at most.
const DefaultRetries = 3

// maxTokenBytes bounds a token file.
const maxTokenBytes = 64 << 10

// Option of [Dial].
type Option func(*options)

type options struct {
	tls     *tls.Config
	plain   bool
	token   func(context.Context) (string, error)
	headers []string
	retries int
	more    []grpc.DialOption
}

// TLS uses a configuration, such as one with a client certificate. The default
// is TLS with the system's authorities.
func TLS(c *tls.Config) Option { return func(o *options) { o.tls = c } }

// Plaintext uses no TLS: for a gateway on the same machine, or behind a mesh.
func Plaintext() Option { return func(o *options) { o.plain = true } }

// Token is sent as the caller's credential.
func Token(token string) Option {
	return TokenSource(func(context.Context) (string, error) { return token, nil })
}

// TokenSource is asked for the credential of each call.
func TokenSource(token func(context.Context) (string, error)) Option {
	return func(o *options) { o.token = token }
}

// TokenFile is read for each call: such files are rotated.
func TokenFile(name string) Option {
	return TokenSource(func(context.Context) (string, error) {
		b, err := os.ReadFile(name)
		if err == nil && len(b) > maxTokenBytes {
			err = fmt.Errorf("%s is larger than %d bytes", name, maxTokenBytes)
		}
		return strings.TrimSpace(string(b)), err
	})
}

// Team names the team, where the gateway has several.
func Team(name string) Option { return header("asc-team", name) }

// Priority asks for a class: interactive, default or batch.
func Priority(class string) Option { return header("asc-priority", class) }

func header(name, value string) Option {
	return func(o *options) { o.headers = append(o.headers, name, value) }
}

// Retries says how often a call is repeated at most; 0: never.
func Retries(n int) Option { return func(o *options) { o.retries = n } }

// With adds options of grpc itself.
func With(more ...grpc.DialOption) Option {
	return func(o *options) { o.more = append(o.more, more...) }
}

// Dial makes a connection to a gateway, "HOST:PORT". Nothing is sent yet.
func Dial(target string, list ...Option) (*grpc.ClientConn, error) {
	o := &options{retries: DefaultRetries}
	for _, f := range list {
		f(o)
	}
	transport := credentials.NewTLS(o.tls)
	if o.plain {
		transport = insecure.NewCredentials()
	}
	dial := []grpc.DialOption{grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(32 << 20)),
		grpc.WithChainUnaryInterceptor(o.unary), grpc.WithChainStreamInterceptor(o.stream)}
	if o.token != nil {
		dial = append(dial, grpc.WithPerRPCCredentials(bearer{o.token, !o.plain}))
	}
	return grpc.NewClient(target, append(dial, o.more...)...)
}

// bearer sends a token with each call.
type bearer struct {
	token  func(context.Context) (string, error)
	secure bool
}

// GetRequestMetadata implements [credentials.PerRPCCredentials].
func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	t, err := b.token(ctx)
	return map[string]string{"authorization": "Bearer " + t}, err
}

// RequireTransportSecurity implements [credentials.PerRPCCredentials].
func (b bearer) RequireTransportSecurity() bool { return b.secure }

// unary repeats what the gateway says may be repeated: then nothing was done.
func (o *options) unary(
	ctx context.Context,
	method string,
	req, reply any,
	cc *grpc.ClientConn,
	call grpc.UnaryInvoker,
	opts ...grpc.CallOption,
) error {
	ctx = metadata.AppendToOutgoingContext(ctx, o.headers...)
	for n := 0; ; n++ {
		err := call(ctx, method, req, reply, cc, opts...)
		wait, again := RetryAfter(err)
		if !again || n >= o.retries {
			return err
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

func (o *options) stream(
	ctx context.Context,
	desc *grpc.StreamDesc,
	cc *grpc.ClientConn,
	method string,
	open grpc.Streamer,
	opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	return open(metadata.AppendToOutgoingContext(ctx, o.headers...), desc, cc, method, opts...)
}

// RetryAfter says whether a call may be repeated, and how long to wait before:
// nothing of it was carried out.
func RetryAfter(err error) (wait time.Duration, again bool) {
	s, ok := status.FromError(err)
	if !ok || s.Code() != codes.ResourceExhausted && s.Code() != codes.Unavailable {
		return 0, false
	}
	for _, d := range s.Details() {
		if r, ok := d.(*errdetails.RetryInfo); ok {
			return r.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, false
}

// Reason is the word for what went wrong: Apple's code, such as
// "ENTITY_ERROR.ATTRIBUTE.INVALID", or the gateway's, such as "OUTCOME_UNKNOWN".
func Reason(err error) string {
	for _, d := range status.Convert(err).Details() {
		if i, ok := d.(*errdetails.ErrorInfo); ok {
			return i.GetReason()
		}
	}
	return ""
}

// paged is an answer of which there may be more.
type paged interface {
	proto.Message
	GetNextPageToken() string
}

// Pages asks for one page after the other. It ends after an error.
func Pages[Req proto.Message, Res paged](
	ctx context.Context,
	req Req,
	list func(context.Context, Req, ...grpc.CallOption) (Res, error),
) iter.Seq2[Res, error] {
	return func(yield func(Res, error) bool) {
		next := proto.Clone(req).(Req)
		token := next.ProtoReflect().Descriptor().Fields().ByName("page_token")
		if token == nil {
			var none Res
			yield(none, errors.New("client: the request has no pages"))
			return
		}
		for {
			res, err := list(ctx, next)
			if !yield(res, err) || err != nil || res.GetNextPageToken() == "" {
				return
			}
			next.ProtoReflect().Set(token, protoreflect.ValueOfString(res.GetNextPageToken()))
		}
	}
}

// Items goes through the resources of all pages. It ends after an error.
func Items[Req proto.Message, Res paged, Item any](
	ctx context.Context,
	req Req,
	list func(context.Context, Req, ...grpc.CallOption) (Res, error),
	of func(Res) []Item,
) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for page, err := range Pages(ctx, req, list) {
			if err != nil {
				var none Item
				yield(none, err)
				return
			}
			for _, item := range of(page) {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// Find is the included resource with an id, nil if it is not there:
//
//	app := client.Find(res.GetIncluded().GetApps(), build.GetApp().GetId())
func Find[R interface {
	comparable
	GetId() string
}](list []R, id string) (found R) {
	for _, r := range list {
		if r.GetId() == id {
			return r
		}
	}
	return found
}
