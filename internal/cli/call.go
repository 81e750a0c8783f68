package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// maxBodyBytes bounds a request that is read as JSON: the gateway takes as much.
const maxBodyBytes = 1 << 20

const callHelp = `Call a method of the gateway.

METHOD is the RPC (ListBuilds, BuildsService/ListBuilds, or the full name), Apple's operation id, or Apple's
request: GET /v1/builds/123. Then FIELD=VALUE sets a field:

  page_size=5                      a number, a bool, a text, a time (2026-01-31T15:04:05Z), a duration (90s)
  filter.app=1500004000,1500004001 a list: commas, or the argument again; \, is a comma of the value
  filter.processing_state=VALID    an enum's value, as Apple spells it
  fields.builds=version,icons      a member of a map
  app.id=1500004000                a relationship; app=1500004000 is short for it, app={} detaches
  prices.create.0.start_date=…     a field of a list's element, 0 first
  clear=name                       sets a field to null
  @request.json, or -              the request as JSON, from a file or standard input; fields count more

Names are the proto's, JSON's or Apple's: filter.pre_release_version_version and
'filter[preReleaseVersion.version]' are the same field. A METHOD that is Apple's request takes Apple's query too:
'GET /v1/builds?filter[app]=1500004000&limit=5'. A value alone is the id of the path: gateway call GetBuild 123.

The gateway is the one of ` + "`gateway login`" + `, of --address or of ASC_GATEWAY_ADDRESS. The credential is
--token-file's, ASC_GATEWAY_TOKEN, ASC_GATEWAY_TOKEN_FILE, the login's, or the id-token of GitHub Actions or GitLab.

` + exitHelp

const callExamples = `  gateway call --sandbox ListApps page_size=2
  gateway call ListBuilds filter.app=1500004000 sort=-uploadedDate --output table
  gateway call 'GET /v1/builds?filter[app]=1500004000&limit=5' --all --output jsonl
  gateway call CreateBetaGroup app=1500004000 name=Friends --validate-only
  gateway call ListSalesReports filter.frequency=DAILY … --out report.gz`

// caller is one run of the command.
type caller struct {
	deps     Deps
	conn     connection
	sandbox  bool
	all      bool
	validate bool
	output   string
	columns  []string
	out      string
	timeout  time.Duration

	stdin          io.Reader
	stdout, stderr io.Writer
}

func callCommand(d Deps) *cobra.Command {
	c := &caller{deps: d}
	cmd := &cobra.Command{
		Use:               "call METHOD [FIELD=VALUE]... [@FILE|-]",
		Short:             "Call a method of a gateway",
		Long:              callHelp,
		Example:           callExamples,
		ValidArgsFunction: completeCall(d),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("call: missing METHOD (such as ListApps or 'GET /v1/apps')")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.stdin, c.stdout, c.stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return c.run(cmd.Context(), args)
		}}
	f := cmd.Flags()
	c.conn.callFlags(cmd)
	f.BoolVar(&c.sandbox, "sandbox", false, "call a gateway before its sandbox, in this process")
	f.BoolVar(&c.all, "all", false, "follow all pages")
	f.BoolVar(&c.validate, "validate-only", false, "check a write, send nothing to Apple")
	f.StringVarP(&c.output, "output", "o", "json", "json, jsonl (a resource a line), yaml or table")
	f.StringSliceVar(&c.columns, "columns", nil, "columns of the table; default: id, and what is there")
	f.StringVar(&c.out, "out", "", "file or folder for a file that is downloaded; - is standard output")
	f.DurationVar(&c.timeout, "timeout", 0, "the longest that the call may take; default none")
	completeFlag(cmd, "output", outputs...)
	return cmd
}

func (c *caller) run(ctx context.Context, args []string) error {
	if err := checkOutput(c.output); err != nil {
		return err
	}
	m, rest, err := c.method(args)
	if err != nil {
		return err
	}
	req, err := c.request(m, rest)
	if err != nil {
		return err
	}
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	conn, stop, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer stop()
	switch {
	case m.desc.IsStreamingClient():
		return usagef("%s takes a stream: it cannot be called from here", m.rpc())
	case m.desc.IsStreamingServer():
		return c.stream(ctx, conn, m, req)
	case c.all:
		return c.pages(ctx, conn, m, req)
	}
	res, err := newMessage(m.desc.Output())
	if err != nil {
		return err
	}
	if err := conn.Invoke(ctx, "/"+m.fullName(), req, res); err != nil {
		return calledBack(m, err)
	}
	return c.print(res)
}

// connect reaches the gateway that is meant.
func (c *caller) connect(ctx context.Context) (conn *grpc.ClientConn, stop func(), err error) {
	if !c.sandbox {
		conn, err := c.conn.open(ctx, c.deps)
		return conn, func() { _ = conn.Close() }, err
	}
	if c.deps.Sandbox == nil {
		return nil, nil, usagef("--sandbox: this program has none")
	}
	if c.conn.Address != "" || c.conn.context != "" {
		return nil, nil, usagef("--sandbox calls a gateway in this process: drop --address and --context")
	}
	address, end, err := c.deps.Sandbox(ctx)
	if err != nil {
		return nil, nil, err
	}
	c.conn = connection{login: login{Address: address, Plaintext: true}}
	c.deps.Getenv = func(string) string { return "" } // no credential goes there
	conn, err = c.conn.dial(ctx, c.deps)
	if err != nil {
		end()
		return nil, nil, err
	}
	return conn, func() { _ = conn.Close(); end() }, nil
}

// method finds the method that the arguments begin with, and what is left: fields
// from Apple's path and query are among it.
func (c *caller) method(args []string) (*method, []string, error) {
	all := c.deps.catalog()
	verb, target, spaced := strings.Cut(args[0], " ")
	if !spaced && isVerb(args[0]) {
		if len(args) == 1 {
			return nil, nil, usagef("%s: missing the path, such as /v1/apps", args[0])
		}
		target, args = args[1], args[1:]
	}
	if !isVerb(verb) {
		m, err := all.find(args[0])
		return m, args[1:], err
	}
	m, fields, query, err := all.route(verb, strings.TrimSpace(target))
	if err != nil {
		return nil, nil, err
	}
	params, err := queryArgs(query)
	return m, append(append(fields, params...), args[1:]...), err
}

// request makes the request of the arguments: JSON first, then fields.
func (c *caller) request(m *method, args []string) (proto.Message, error) {
	req, err := newMessage(m.input())
	if err != nil {
		return nil, err
	}
	var body []string
	var fields []string
	ids := m.pathFields()
	for _, a := range args {
		switch {
		case a == "-" || strings.HasPrefix(a, "@"):
			body = append(body, a)
		case !strings.Contains(a, "=") && len(ids) > 0:
			fields = append(fields, ids[0]+"="+a)
			ids = ids[1:]
		default:
			fields = append(fields, a)
		}
	}
	if len(body) > 1 {
		return nil, usagef("%s: one request as JSON is enough", clip(body[1]))
	}
	for _, name := range body {
		if err := c.readBody(req.ProtoReflect(), strings.TrimPrefix(name, "@")); err != nil {
			return nil, err
		}
	}
	s := &setter{seen: map[string]bool{}}
	for _, f := range fields {
		if err := s.set(req.ProtoReflect(), f); err != nil {
			return nil, fmt.Errorf("%s: %w", m.rpc(), err)
		}
	}
	return req, c.validateOnly(m, req.ProtoReflect())
}

func (c *caller) validateOnly(m *method, req protoreflect.Message) error {
	if !c.validate {
		return nil
	}
	fd := req.Descriptor().Fields().ByName("validate_only")
	if fd == nil {
		return usagef("%s: --validate-only is for methods that write; this one reads, or cannot be checked alone", m.rpc())
	}
	req.Set(fd, protoreflect.ValueOfBool(true))
	return nil
}

func (c *caller) readBody(m protoreflect.Message, name string) error {
	from, what := c.stdin, "standard input"
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return usagef("@%s: the file cannot be read", clip(name))
		}
		defer f.Close()
		from, what = f, name
	}
	b, err := readMost(from, maxBodyBytes, what)
	if err != nil {
		return err
	}
	v, err := decode(b)
	if err != nil {
		return usagef("%s %v", clip(what), err)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return usagef("%s: want a JSON object", clip(what))
	}
	return fromObject(m, object, "", 0)
}

func newMessage(md protoreflect.MessageDescriptor) (proto.Message, error) {
	return newMessageNamed(string(md.FullName()))
}

func newMessageNamed(name string) (proto.Message, error) {
	t, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return nil, fmt.Errorf("the message %s is not known here", name)
	}
	return t.New().Interface(), nil
}
