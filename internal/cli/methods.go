package cli

import (
	"net/url"
	"slices"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// method is an RPC of the gateway.
type method struct {
	desc      protoreflect.MethodDescriptor
	verb      string // Apple's, such as GET; "": the RPC has no HTTP rule
	path      string // template, such as /v1/builds/{id}
	operation string // Apple's operation id; "": a method of the gateway's own
}

func (m *method) rpc() string      { return string(m.desc.Name()) }
func (m *method) service() string  { return string(m.desc.Parent().Name()) }
func (m *method) fullName() string { return string(m.desc.Parent().FullName()) + "/" + m.rpc() }
func (m *method) input() protoreflect.MessageDescriptor {
	return m.desc.Input()
}

// catalog is every method that this program knows, sorted by full name.
type catalog struct{ methods []*method }

// newCatalog reads the descriptors that are linked into the program.
func newCatalog(files *protoregistry.Files) *catalog {
	c := &catalog{}
	files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if p := string(fd.Package()); !strings.HasPrefix(p, "asc.") && !strings.HasPrefix(p, "ascgateway.") {
			return true
		}
		for i := range fd.Services().Len() {
			methods := fd.Services().Get(i).Methods()
			for j := range methods.Len() {
				c.methods = append(c.methods, newMethod(methods.Get(j)))
			}
		}
		return true
	})
	slices.SortFunc(c.methods, func(a, b *method) int { return strings.Compare(a.fullName(), b.fullName()) })
	return c
}

func newMethod(md protoreflect.MethodDescriptor) *method {
	m := &method{desc: md}
	if o, ok := proto.GetExtension(md.Options(), optionsv1.E_Method).(*optionsv1.Method); ok {
		m.operation = o.GetOperationId()
	}
	rule, _ := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		m.verb, m.path = "GET", p.Get
	case *annotations.HttpRule_Post:
		m.verb, m.path = "POST", p.Post
	case *annotations.HttpRule_Patch:
		m.verb, m.path = "PATCH", p.Patch
	case *annotations.HttpRule_Put:
		m.verb, m.path = "PUT", p.Put
	case *annotations.HttpRule_Delete:
		m.verb, m.path = "DELETE", p.Delete
	}
	return m
}

// find looks a method up: ListBuilds, BuildsService/ListBuilds, the full name, or
// Apple's operation id. A name that several services have is an error.
func (c *catalog) find(name string) (*method, error) {
	wanted := strings.TrimPrefix(name, "/")
	var found []*method
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for _, m := range c.methods {
			if same(wanted, m.rpc()) || same(wanted, m.service()+"/"+m.rpc()) || same(wanted, m.fullName()) ||
				same(wanted, string(m.desc.FullName())) || m.operation != "" && same(wanted, m.operation) {
				found = append(found, m)
			}
		}
		if len(found) > 0 {
			break
		}
	}
	switch len(found) {
	case 0:
		return nil, usagef("there is no method %s%s", clip(name), hint(wanted, c.names()))
	case 1:
		return found[0], nil
	}
	var names []string
	for _, m := range found {
		names = append(names, m.fullName())
	}
	return nil, usagef("%s is a method of several services: write %s", clip(name), strings.Join(names, " or "))
}

// names are those by which each method is found, the shortest that is unique.
func (c *catalog) names() (list []string) {
	count := map[string]int{}
	for _, m := range c.methods {
		count[m.rpc()]++
	}
	for _, m := range c.methods {
		if name := m.rpc(); count[name] == 1 {
			list = append(list, name)
		} else {
			list = append(list, m.fullName())
		}
	}
	return list
}

// verbs of HTTP that Apple's operations have.
var verbs = []string{"GET", "POST", "PATCH", "DELETE"}

func isVerb(s string) bool { return slices.Contains(verbs, strings.ToUpper(s)) }

// route finds a method by Apple's request, such as GET /v1/builds/123?include=app.
// values are what stands in the path, as arguments; query is what follows "?".
func (c *catalog) route(verb, target string) (m *method, values []string, query string, err error) {
	verb = strings.ToUpper(verb)
	path, query, _ := strings.Cut(target, "?")
	best := -1
	for _, candidate := range c.methods {
		if candidate.verb != verb {
			continue
		}
		if v, fixed := match(candidate.path, path); fixed > best {
			m, values, best = candidate, v, fixed
		}
	}
	if m != nil {
		return m, values, query, nil
	}
	var others, near []string
	for _, candidate := range c.methods {
		if _, fixed := match(candidate.path, path); fixed >= 0 {
			others = append(others, candidate.verb)
		}
		if candidate.verb == verb {
			near = append(near, candidate.path)
		}
	}
	if len(others) > 0 {
		return nil, nil, "", usagef("%s %s: the path takes %s", verb, clip(path), strings.Join(others, ", "))
	}
	return nil, nil, "", usagef("there is no operation %s %s%s", verb, clip(path), hint(path, near))
}

// match compares a path with a template: fixed is how many segments are equal,
// -1 if it does not match.
func match(template, path string) (values []string, fixed int) {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if template == "" || len(want) != len(got) {
		return nil, -1
	}
	for i, w := range want {
		name, isVar := strings.CutPrefix(w, "{")
		if !isVar {
			if w != got[i] {
				return nil, -1
			}
			fixed++
			continue
		}
		value, err := url.PathUnescape(got[i])
		if err != nil || value == "" {
			return nil, -1
		}
		values = append(values, strings.TrimSuffix(name, "}")+"="+value)
	}
	return values, fixed
}

// pathFields are the names of the fields that stand in the path.
func (m *method) pathFields() (names []string) {
	for s := range strings.SplitSeq(m.path, "/") {
		if name, ok := strings.CutPrefix(s, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}
