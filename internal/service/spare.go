package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/cache"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/replay"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Lifetimes of answers by JSON:API type, where the configuration says nothing:
// what Apple itself changes rarely, and nobody else can. All others are not kept.
var lifetimes = map[string]time.Duration{
	"territories":              24 * time.Hour,
	"appCategories":            24 * time.Hour,
	"appPricePoints":           time.Hour,
	"inAppPurchasePricePoints": time.Hour,
	"subscriptionPricePoints":  time.Hour,
	"ciXcodeVersions":          time.Hour,
	"ciMacOsVersions":          time.Hour,
}

// protoCost is about how much more a message takes in memory than on the wire.
const protoCost = 4

// families numbers the JSON:API types of answers and writes.
type families struct {
	byType map[string]int
	// related are the types that a resource's relationships point to. They are
	// read when the first write has ended: the options of all fields are large.
	related func() map[string][]string
}

// newFamilies numbers types.
func newFamilies(types []string, files *protoregistry.Files) *families {
	f := &families{byType: make(map[string]int, len(types)),
		related: sync.OnceValue(func() map[string][]string { return relatedTypes(files) })}
	for i, t := range types {
		f.byType[t] = i
	}
	return f
}

// relatedTypes reads them from the resources' descriptors.
func relatedTypes(files *protoregistry.Files) map[string][]string {
	related := map[string][]string{}
	files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		for i := range fd.Messages().Len() {
			md := fd.Messages().Get(i)
			r, _ := proto.GetExtension(md.Options(), optionsv1.E_Resource).(*optionsv1.Resource)
			if r == nil {
				continue
			}
			for j := range md.Fields().Len() {
				o, _ := proto.GetExtension(md.Fields().Get(j).Options(), optionsv1.E_Field).(*optionsv1.Field)
				if o.GetRole() == optionsv1.Role_ROLE_RELATIONSHIP {
					related[r.GetType()] = append(related[r.GetType()], o.GetType())
				}
			}
		}
		return true
	})
	return related
}

// fingerprint names the numbering: another release may have another.
func (f *families) fingerprint() string {
	names := slices.SortedFunc(maps.Keys(f.byType), func(a, b string) int { return f.byType[a] - f.byType[b] })
	sum := sha256.Sum256([]byte(strings.Join(names, " ")))
	return hex.EncodeToString(sum[:8])
}

// Numbering names how families are numbered: replicas of other releases may
// number them otherwise.
func (e *Engine) Numbering() string { return e.kinds.fingerprint() }

// of numbers types; those that are unknown are in no family.
func (f *families) of(types ...string) cache.Families {
	list := cache.Families{}
	for _, t := range types {
		if i, ok := f.byType[t]; ok && !slices.Contains(list, i) {
			list = append(list, i)
		}
	}
	return list
}

// spare is what a method's answers depend on, and how long they are kept.
type spare struct {
	plain    cache.Families // an answer without included resources
	included cache.Families // one with them
	life     time.Duration  // where the configuration says nothing
	lifeIncl time.Duration  // the same, of an answer with included resources
}

// spareOf works it out.
func (f *families) spareOf(m *Method) (s spare) {
	if m.Verb != "GET" {
		return s
	}
	kind, all := m.Options.GetType(), m.types()
	s.plain, s.included = f.of(kind), f.of(all...)
	s.life, s.lifeIncl = lifetimes[kind], lifetimes[kind]
	for _, t := range all {
		s.lifeIncl = min(s.lifeIncl, lifetimes[t])
	}
	return s
}

// writes is what a write may change; nil: everything. It may change the states of
// what it is related to; what goes with a deleted resource is not known.
func (f *families) writes(m *Method) cache.Families {
	if m.Options.GetShape() == optionsv1.Shape_SHAPE_DELETE_INSTANCE {
		return nil
	}
	_, rest, _ := strings.Cut(strings.TrimPrefix(m.Template, "/"), "/")
	first, _, _ := strings.Cut(rest, "/")
	kind, related := m.Options.GetType(), f.related()
	return f.of(slices.Concat([]string{kind, first}, related[kind], related[first])...)
}

// Lifetime is how long an answer to a request is kept.
func (e *Engine) Lifetime(m *Method, included bool) time.Duration {
	if set := e.lifetimes.Load(); set != nil {
		if d, ok := (*set)[m.FullName]; ok {
			return d
		}
	}
	if included {
		return m.spare.lifeIncl
	}
	return m.spare.life
}

// SetLifetimes says how long answers are kept, by method; those not named have
// their defaults.
func (e *Engine) SetLifetimes(byMethod map[string]time.Duration) { e.lifetimes.Store(&byMethod) }

// Families are what an answer to a request depends on.
func (m *Method) Families(included bool) cache.Families {
	if included {
		return m.spare.included
	}
	return m.spare.plain
}

// Wrote tells that a write has ended, however it did; m nil: one that no
// operation is known for.
func (e *Engine) Wrote(team string, m *Method) {
	if m == nil {
		e.Cache.Wrote(team, nil)
		return
	}
	e.Cache.Wrote(team, e.kinds.writes(m))
}

// Includes says whether a request asks for included resources, or brings query
// parameters that nobody here knows.
func (m *Method) Includes(req proto.Message) bool {
	r := req.ProtoReflect()
	return m.include != nil && r.Has(m.include) || m.extraQuery != nil && r.Has(m.extraQuery)
}

// read answers a read with what is kept, or with the answer to an equal one.
func (e *Engine) read(ctx context.Context, team string, m *Method, req proto.Message) (proto.Message, error) {
	req, err := e.unsealed(ctx, team, m, req)
	if err != nil {
		return nil, err
	}
	key, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(append(make([]byte, 0, 256), m.FullName...), req)
	if err != nil {
		return nil, fault.New(
			fault.InvalidArgument,
			fault.ReasonInvalidRequest,
			"the request cannot be encoded",
		).WithCause(
			err,
		)
	}
	caller, included := asc.CallerOf(ctx), m.Includes(req)
	r := cache.Read{
		Team:     team,
		Key:      string(key),
		Families: m.Families(included),
		Class:    caller.Priority,
		Life:     e.Lifetime(m, included),
		Fresh:    caller.Fresh,
	}
	value, mode, _, err := e.Cache.Do(ctx, r, func(ctx context.Context) (cache.Fetched, error) {
		out, err := e.call(ctx, team, m, req)
		if err != nil {
			return cache.Fetched{}, err
		}
		f := cache.Fetched{Value: out}
		if r.Life > 0 {
			f.Bytes = protoCost * proto.Size(out)
		}
		return f, nil
	})
	asc.NoteCache(ctx, string(mode))
	if err != nil {
		return nil, err
	}
	return e.sealed(ctx, team, m, value.(proto.Message)), nil
}

// write carries out a write: once, if it names itself.
func (e *Engine) write(ctx context.Context, team string, m *Method, req proto.Message) (proto.Message, error) {
	defer e.Wrote(team, m)
	id := ""
	if m.requestID != nil {
		id = req.ProtoReflect().Get(m.requestID).String()
	}
	if id == "" || e.Replays == nil {
		return e.call(ctx, team, m, req)
	}
	asked, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return nil, fault.New(
			fault.InvalidArgument,
			fault.ReasonInvalidRequest,
			"the request cannot be encoded",
		).WithCause(
			err,
		)
	}
	var out proto.Message
	answer, err := e.Replays.Do(ctx, replay.ID(team, asc.CallerOf(ctx).ID, m.FullName, id), asked, func() ([]byte, error) {
		made, err := e.call(ctx, team, m, req)
		if err != nil {
			return nil, err
		}
		out = made
		return proto.Marshal(made)
	})
	if err != nil || out != nil {
		return out, err
	}
	asc.NoteCache(ctx, "REPLAYED")
	out = m.Output.New().Interface()
	return out, proto.Unmarshal(answer, out)
}
