package service

import (
	"bytes"
	"context"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/cache"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"github.com/asc-gateway/asc-gateway/internal/replay"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Upstream is what the engine needs of the client: *asc.Client has it.
type Upstream interface {
	Do(ctx context.Context, call *asc.Call) (*asc.Response, error)
	Open(ctx context.Context, call *asc.Call) (*asc.File, error)
	Pages(
		ctx context.Context,
		call *asc.Call,
		at asc.Cursor,
		consume func(*asc.Response) (asc.PageRead, error),
	) (asc.Cursor, error)
	Room(call *asc.Call) int
	OpenURL(ctx context.Context, url string) (*asc.File, error)
}

// Observer hears what a person running the gateway wants to know. Each may be
// called by many goroutines.
type Observer interface {
	// Drift counts things in answers that the messages have no place for.
	Drift(operation string, n int)
}

// Engine carries out calls.
type Engine struct {
	Entries []*Entry        // sorted by name
	Cache   *cache.Cache    // of answers
	Replays *replay.Replays // of creates that name themselves; nil: none are

	secrets   *secrets.Secrets
	now       func() time.Time
	lifetimes atomic.Pointer[map[string]time.Duration]
	upstream  Upstream
	codec     *jsonapi.Codec
	observer  Observer
	byName    map[string]*Entry
	kinds     *families
	names     *fieldNames
}

// New makes an engine of the operations in the index. Each is compiled when it is
// first called. The engine keeps at most so many bytes of
// answers. The observer may be nil, and so may the secrets: then page tokens end
// with the process. [Engine.Close] ends it.
func New(upstream Upstream, observer Observer, shared *secrets.Secrets, cacheBytes int64) (*Engine, error) {
	entries, types, err := Entries()
	if err != nil {
		return nil, err
	}
	if observer == nil {
		observer = deaf{}
	}
	if shared == nil {
		shared = secrets.New()
	}
	e := &Engine{Entries: entries, upstream: upstream, secrets: shared, now: time.Now, codec: &jsonapi.Codec{},
		observer: observer, byName: make(map[string]*Entry, len(entries)), names: &fieldNames{}}
	e.kinds = newFamilies(types, protoregistry.GlobalFiles)
	for _, x := range entries {
		e.byName[x.FullName] = x
		x.engine = e
	}
	e.Cache = cache.New(cacheBytes, len(e.kinds.byType))
	return e, nil
}

// Close ends what runs in the background.
func (e *Engine) Close() { e.Cache.Close() }

type deaf struct{}

func (deaf) Drift(string, int) {}

// Lookup finds a method by its full name, nil if there is none.
func (e *Engine) Lookup(fullName string) *Method {
	if x := e.byName[fullName]; x != nil {
		m, _ := x.Plan() // tests compile them all
		return m
	}
	return nil
}

// Methods compiles every method, sorted by name. It is for what describes all of
// them: the plans and the descriptors take some 30 MB.
func (e *Engine) Methods() []*Method {
	list := make([]*Method, 0, len(e.Entries))
	for _, x := range e.Entries {
		if m, err := x.Plan(); err == nil {
			list = append(list, m)
		}
	}
	return list
}

// Unary carries out a call whose answer is a message. It must not be changed:
// others may have the same.
func (e *Engine) Unary(ctx context.Context, team string, m *Method, req proto.Message) (proto.Message, error) {
	switch {
	case m.Verb == "GET":
		return e.read(ctx, team, m, req)
	case m.validateOnly != nil && req.ProtoReflect().Get(m.validateOnly).Bool():
		_, err := e.prepare(team, m, req)
		return m.Output.New().Interface(), err
	}
	return e.write(ctx, team, m, req)
}

// call asks Apple.
func (e *Engine) call(ctx context.Context, team string, m *Method, req proto.Message) (proto.Message, error) {
	p, err := e.prepare(team, m, req)
	if err != nil {
		return nil, err
	}
	out := m.Output.New().Interface()
	if m.pageToken != nil && m.Query.page > 0 {
		err = e.list(ctx, m, req, p, out)
	} else {
		err = e.single(ctx, m, p, out)
	}
	if err != nil {
		return nil, e.inFields(m, req, err)
	}
	return out, nil
}

// Check says whether a request is right by itself. Nothing is sent.
func (e *Engine) Check(m *Method, req proto.Message) error {
	_, err := e.prepare("", m, req)
	return err
}

// prepared is a request that is right by itself.
type prepared struct {
	call  asc.Call
	pairs []pair
}

// prepare checks a request and makes the call of it.
func (e *Engine) prepare(team string, m *Method, req proto.Message) (*prepared, error) {
	msg := req.ProtoReflect()
	err := m.rules.check(msg)
	if err != nil {
		return nil, err
	}
	if err := m.together.check(msg, ""); err != nil {
		return nil, err
	}
	p := &prepared{
		call: asc.Call{
			Team:      team,
			Operation: m.Options.GetOperationId(),
			Method:    m.Verb,
			Template:  m.Template,
			Path:      m.Template,
		},
	}
	if m.id != nil {
		id := msg.Get(m.id).String()
		if what := jsonapi.CheckID(id); what != "" {
			return nil, fault.Invalid("id", "%s", what)
		}
		p.call.Path = strings.Replace(m.Template, "{id}", url.PathEscape(id), 1)
	}
	if p.pairs, err = m.Query.encode(msg); err != nil {
		return nil, err
	}
	p.call.Query = joined(p.pairs)
	if m.HasBody {
		if p.call.Body, err = e.codec.Encode(req, m.Options.GetType()); err != nil {
			return nil, err
		}
	}
	if produces := m.Options.GetProduces(); len(produces) > 0 {
		p.call.Accept = produces[0]
	}
	return p, nil
}

// single makes one call.
func (e *Engine) single(ctx context.Context, m *Method, p *prepared, out proto.Message) error {
	res, err := e.upstream.Do(ctx, &p.call)
	if err != nil {
		return err
	}
	_, err = e.decode(m, res, out)
	return err
}

func (e *Engine) decode(m *Method, res *asc.Response, out proto.Message) (jsonapi.Page, error) {
	return e.decodeWindow(m, res, out, jsonapi.Window{})
}

// decodeWindow reads some rows of a list.
func (e *Engine) decodeWindow(m *Method, res *asc.Response, out proto.Message, w jsonapi.Window) (jsonapi.Page, error) {
	if len(bytes.TrimSpace(res.Body)) == 0 {
		if m.Verb != "GET" && m.due() != nil {
			return jsonapi.Page{}, fault.ExecutedUnread(m.Verb, "it is empty")
		}
		return jsonapi.Page{}, nil
	}
	page, err := e.codec.DecodeWindow(res.Body, out, w)
	if err != nil {
		if m.Verb != "GET" && m.due() == nil {
			return page, nil // there was nothing to read
		}
		if m.Verb != "GET" {
			return page, fault.New(fault.Unknown, fault.ReasonOutcomeUnknown,
				"the %s succeeded, but its answer cannot be read: look before repeating it", m.Verb).WithCause(err)
		}
		return page, fault.New(
			fault.Unavailable,
			fault.ReasonUpstreamMalformed,
			"App Store Connect: the answer cannot be read",
		).WithCause(
			err,
		)
	}
	if m.Verb != "GET" && m.misses(out) {
		return page, fault.ExecutedUnread(m.Verb, "it has no data")
	}
	if page.Extra > 0 {
		e.observer.Drift(m.Options.GetOperationId(), page.Extra)
	}
	return page, nil
}

// ChunkBytes is the size of a part of a file.
const ChunkBytes = 64 << 10

// Stream carries out a call whose answer is a file: its description first,
// then its bytes.
func (e *Engine) Stream(
	ctx context.Context,
	team string,
	m *Method,
	req proto.Message,
	send func(proto.Message) error,
) error {
	f, err := e.Open(ctx, team, m, req, "")
	if err != nil {
		return err
	}
	defer f.Body.Close()
	fields := m.Desc.Output().Fields()
	part := func(name protoreflect.Name, v protoreflect.Value) error {
		p := m.Output.New()
		p.Set(fields.ByName(name), v)
		return send(p.Interface())
	}
	return f.parts(func(info *typesv1.FileInfo) error {
		return part("info", protoreflect.ValueOfMessage(info.ProtoReflect()))
	},
		func(data []byte) error { return part("data", protoreflect.ValueOfBytes(data)) })
}

// Open begins a call whose answer is a file. accept chooses among the content
// types that the operation produces; "" is its default.
func (e *Engine) Open(ctx context.Context, team string, m *Method, req proto.Message, accept string) (*File, error) {
	p, err := e.prepare(team, m, req)
	if err != nil {
		return nil, err
	}
	if accept != "" {
		p.call.Accept = accept
	}
	if m.pageSize != nil { // a file of so many things, such as diagnostic logs: there is one page
		switch size := req.ProtoReflect().Get(m.pageSize).Int(); {
		case size < 0:
			return nil, fault.Invalid("page_size", "must not be negative")
		case size > 0:
			p.pairs = append(p.pairs, pair{"limit", []string{strconv.FormatInt(min(size, int64(m.Query.page)), 10)}})
			p.call.Query = joined(p.pairs)
		}
	}
	f, err := e.upstream.Open(ctx, &p.call)
	if err != nil {
		return nil, e.inFields(m, req, err)
	}
	return newFile(m, f), nil
}
