// Package service is the engine: it compiles one plan a method from the
// descriptors, and carries out every call by its plan. There is no code for any
// single operation.
//
// It is the only package that turns a [fault.Error] into a gRPC status. It must
// spend no quota on a request that is wrong by itself.
package service

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// The areas, so that their descriptors are there.
	_ "github.com/asc-gateway/asc-gateway/gen/asc/appclips/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/commerce/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/distribution/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/gamecenter/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/provisioning/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/users/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/webhooks/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/xcodecloud/v1"
)

// optionsVersion is the version of asc.options.v1.Method that is understood.
const optionsVersion = 1

// Method is the plan of one operation.
type Method struct {
	Desc     protoreflect.MethodDescriptor
	FullName string // "/asc.testflight.v1.BuildsService/ListBuilds"
	Verb     string // "GET"
	Template string // "/v1/builds/{id}"
	Options  *optionsv1.Method
	Input    protoreflect.MessageType
	Output   protoreflect.MessageType
	HasBody  bool
	Stream   bool // the answer is a file
	Query    *Query

	id, validateOnly, requestID, include, extraQuery, pageSize, pageToken, nextToken, total protoreflect.FieldDescriptor

	spare    spare
	together *together
	rules    *rules
}

// Compile makes the plans of every operation in the registry, sorted by name.
func Compile(files *protoregistry.Files) ([]*Method, error) {
	var out []*Method
	var problems []string
	shared := &fieldNames{}
	files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		for i := range fd.Services().Len() {
			methods := fd.Services().Get(i).Methods()
			for j := range methods.Len() {
				m, err := compile(methods.Get(j), shared)
				if err != nil {
					problems = append(problems, err.Error())
				} else if m != nil {
					out = append(out, m)
				}
			}
		}
		return true
	})
	if len(problems) > 0 {
		slices.Sort(problems)
		return nil, fmt.Errorf("%d methods cannot be served:\n%s", len(problems), strings.Join(problems, "\n"))
	}
	slices.SortFunc(out, func(a, b *Method) int { return strings.Compare(a.FullName, b.FullName) })
	return out, nil
}

// compile returns nil for a method that is none of Apple's.
func compile(md protoreflect.MethodDescriptor, shared *fieldNames) (*Method, error) {
	o, _ := proto.GetExtension(md.Options(), optionsv1.E_Method).(*optionsv1.Method)
	if o == nil {
		return nil, nil
	}
	if o.GetVersion() != optionsVersion {
		return nil, fmt.Errorf("%s: options of version %d, want %d", md.FullName(), o.GetVersion(), optionsVersion)
	}
	rule, _ := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
	verb, template := httpRule(rule)
	if verb == "" {
		return nil, fmt.Errorf("%s: no google.api.http rule", md.FullName())
	}
	in, err := protoregistry.GlobalTypes.FindMessageByName(md.Input().FullName())
	if err != nil {
		return nil, err
	}
	out, err := protoregistry.GlobalTypes.FindMessageByName(md.Output().FullName())
	if err != nil {
		return nil, err
	}
	fields, answer := md.Input().Fields(), md.Output().Fields()
	m := &Method{Desc: md, Verb: verb, Template: template, Options: o, Input: in, Output: out,
		FullName: "/" + string(md.Parent().FullName()) + "/" + string(md.Name()),
		HasBody:  rule.GetBody() == "*", Stream: md.IsStreamingServer(),
		id: fields.ByName("id"), validateOnly: fields.ByName("validate_only"), requestID: fields.ByName("request_id"),
		include: fields.ByName("include"), extraQuery: fields.ByName("extra_query"),
		pageSize: fields.ByName("page_size"), pageToken: fields.ByName("page_token"),
		nextToken: answer.ByName("next_page_token"), total: answer.ByName("total_size")}
	if m.HasBody {
		m.together = newTogether(md.Input(), map[protoreflect.FullName]bool{})
	}
	if m.rules, err = newRules(md.Input(), map[protoreflect.FullName]*rules{}); err != nil {
		return nil, err
	}
	m.Query, err = shared.compileQuery(md.Input(), o.GetQuery())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", md.FullName(), err)
	}
	return m, nil
}

func httpRule(rule *annotations.HttpRule) (verb, template string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return "GET", p.Get
	case *annotations.HttpRule_Post:
		return "POST", p.Post
	case *annotations.HttpRule_Patch:
		return "PATCH", p.Patch
	case *annotations.HttpRule_Delete:
		return "DELETE", p.Delete
	}
	return "", ""
}

// Area is the package's second part: "testflight".
func (m *Method) Area() string { return areaOf(m.FullName) }

// types are the JSON:API types of its answers; "" may be among them.
func (m *Method) types() []string {
	list := []string{m.Options.GetType()}
	for _, s := range m.Options.GetQuery().GetFieldsets() {
		list = append(list, s.GetType())
	}
	return list
}

// due is the field that a success fills, nil where it has nothing to tell. It
// looks at the descriptor: few answers ask.
func (m *Method) due() protoreflect.FieldDescriptor {
	if m.Options.GetStatus() == http.StatusNoContent {
		return nil
	}
	fields := m.Desc.Output().Fields()
	for i := range fields.Len() {
		o, _ := proto.GetExtension(fields.Get(i).Options(), optionsv1.E_Field).(*optionsv1.Field)
		switch o.GetRole() {
		case optionsv1.Role_ROLE_DATA, optionsv1.Role_ROLE_LINKAGE, optionsv1.Role_ROLE_BODY:
			return fields.Get(i)
		}
	}
	return nil
}

// misses says whether the answer to a write lacks the resource that is due. A
// linkage may be null.
func (m *Method) misses(out proto.Message) bool {
	due := m.due()
	if due == nil || due.IsList() {
		return false
	}
	o, _ := proto.GetExtension(due.Options(), optionsv1.E_Field).(*optionsv1.Field)
	return o.GetRole() == optionsv1.Role_ROLE_DATA && !out.ProtoReflect().Has(due)
}
