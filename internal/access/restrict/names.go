package restrict

import (
	"strings"
	"sync"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"google.golang.org/protobuf/proto"
)

// Names tells what requests name and what creates made, for the record. It reads
// the descriptor of a method when it is first asked for it: the rules of a
// [Table] need those of all methods.
type Names struct {
	methods map[string]*access.Method

	mu    sync.Mutex
	plans messages
	named map[string]*named
}

// named is what a method's request can name.
type named struct {
	method   *access.Method
	pathType string // type of the {id} in the path, "" if there is none
	request  *message
}

// NewNames makes the names of methods.
func NewNames(methods []*access.Method) *Names {
	n := &Names{methods: make(map[string]*access.Method, len(methods)), plans: messages{}, named: map[string]*named{}}
	for _, m := range methods {
		n.methods[m.FullName] = m
	}
	return n
}

// of is nil for a method that is not known.
func (n *Names) of(fullMethod string) *named {
	n.mu.Lock()
	defer n.mu.Unlock()
	if x := n.named[fullMethod]; x != nil {
		return x
	}
	m := n.methods[fullMethod]
	if m == nil {
		return nil
	}
	x := &named{method: m, pathType: pathType(m), request: n.plans.of(m.Desc().Input())}
	n.named[fullMethod] = x
	return x
}

// pathType is the type of the {id} in a method's path, "" if there is none.
func pathType(m *access.Method) string {
	if m.Own {
		return ownRules[m.Name()].pathType
	}
	if segments := strings.Split(m.Template, "/"); len(segments) > 3 && segments[3] == "{id}" {
		return segments[2]
	}
	return ""
}

// Resources lists what a request names, as "type/id".
func (n *Names) Resources(fullMethod string, req proto.Message) (list []string) {
	x := n.of(fullMethod)
	if x == nil || req == nil {
		return nil
	}
	msg := req.ProtoReflect()
	if x.pathType != "" && x.request.id != nil {
		list = append(list, x.pathType+"/"+msg.Get(x.request.id).String())
	}
	if x.method.Verb == "GET" {
		return list
	}
	for _, ref := range x.request.references(msg, "") {
		list = append(list, ref.typ+"/"+ref.id)
	}
	return list
}

// Created is what a create made, as "type/id", "" for other methods.
func (n *Names) Created(fullMethod string, res proto.Message) string {
	m := n.methods[fullMethod]
	if m == nil || res == nil || m.Shape != optionsv1.Shape_SHAPE_CREATE_INSTANCE {
		return ""
	}
	msg := res.ProtoReflect()
	fields := msg.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fieldOptions(fd).GetRole() != optionsv1.Role_ROLE_DATA || fd.IsList() || fd.Message() == nil || !msg.Has(fd) {
			continue
		}
		if id := fd.Message().Fields().ByName("id"); id != nil {
			return m.Type + "/" + msg.Get(fd).Message().Get(id).String()
		}
	}
	return ""
}
