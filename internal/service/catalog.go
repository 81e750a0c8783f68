package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Catalog implements ascgateway.catalog.v1.CatalogService.
type Catalog struct {
	catalogv1.UnimplementedCatalogServiceServer
	methods []*Method
	search  func() *searchIndex
}

// NewCatalog answers about the engine's methods.
func NewCatalog(e *Engine) *Catalog {
	c := &Catalog{methods: e.Methods()}
	c.search = sync.OnceValue(func() *searchIndex { return newSearchIndex(c.methods) })
	return c
}

// ListResources implements the RPC.
func (c *Catalog) ListResources(
	context.Context,
	*catalogv1.ListResourcesRequest,
) (*catalogv1.ListResourcesResponse, error) {
	out := &catalogv1.ListResourcesResponse{}
	eachResource(func(md protoreflect.MessageDescriptor, r *optionsv1.Resource) bool {
		out.Resources = append(out.Resources, c.summary(md, r))
		return true
	})
	slices.SortFunc(
		out.Resources,
		func(a, b *catalogv1.ResourceSummary) int { return strings.Compare(a.GetSchema(), b.GetSchema()) },
	)
	return out, nil
}

// GetResource implements the RPC.
func (c *Catalog) GetResource(
	_ context.Context,
	req *catalogv1.GetResourceRequest,
) (*catalogv1.GetResourceResponse, error) {
	var out *catalogv1.GetResourceResponse
	var all []string
	eachResource(func(md protoreflect.MessageDescriptor, r *optionsv1.Resource) bool {
		all = append(all, r.GetSchema())
		exact := strings.EqualFold(r.GetSchema(), req.GetName())
		if !exact && (out != nil || !strings.EqualFold(r.GetType(), req.GetName())) {
			return true
		}
		out = c.describe(md, r)
		return !exact
	})
	if out == nil {
		return nil, fault.New(fault.NotFound, "NOT_FOUND", "no resource %q%s", clip(req.GetName()), hint(req.GetName(), all))
	}
	return out, nil
}

// Bounds on a search.
const (
	maxSearchBytes = 256
	defaultFound   = 100 // operations of a page
	maxFound       = 1000
)

// SearchOperations implements the RPC.
func (c *Catalog) SearchOperations(
	_ context.Context,
	req *catalogv1.SearchOperationsRequest,
) (*catalogv1.SearchOperationsResponse, error) {
	size := int(req.GetPageSize())
	switch {
	case len(req.GetQuery()) > maxSearchBytes:
		return nil, fault.Invalid("query", "has at most %d bytes", maxSearchBytes)
	case size < 0:
		return nil, fault.Invalid("page_size", "must not be negative")
	case size == 0:
		size = defaultFound
	}
	from, err := searchPlace(req)
	if err != nil {
		return nil, err
	}
	wanted := func(m *Method) bool { return req.GetArea() == "" || req.GetArea() == m.Area() }
	list, unknown := c.search().find(req.GetQuery(), wanted)
	from = min(from, len(list))
	to := min(from+min(size, maxFound), len(list))
	out := &catalogv1.SearchOperationsResponse{TotalSize: int32(len(list)), UnknownWords: unknown}
	for _, m := range list[from:to] {
		out.Operations = append(out.Operations, operation(m))
	}
	if to < len(list) {
		out.NextPageToken = searchToken(req, to)
	}
	return out, nil
}

// searchToken names a place in what a search finds.
func searchToken(req *catalogv1.SearchOperationsRequest, at int) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint16(searchHash(req), uint16(at)))
}

func searchPlace(req *catalogv1.SearchOperationsRequest) (at int, err error) {
	if req.GetPageToken() == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(req.GetPageToken())
	if hash := searchHash(req); err == nil && len(b) == len(hash)+2 && bytes.HasPrefix(b, hash) {
		return int(binary.BigEndian.Uint16(b[len(hash):])), nil
	}
	return 0, invalidToken()
}

// searchHash names what is looked for.
func searchHash(req *catalogv1.SearchOperationsRequest) []byte {
	sum := sha256.Sum256([]byte(req.GetArea() + "\n" + req.GetQuery()))
	return sum[:8:8]
}

// eachResource walks the resource messages until f returns false.
func eachResource(f func(protoreflect.MessageDescriptor, *optionsv1.Resource) bool) {
	protoregistry.GlobalFiles.RangeFilesByPackage("asc.resources.v1", func(fd protoreflect.FileDescriptor) bool {
		for i := range fd.Messages().Len() {
			md := fd.Messages().Get(i)
			if r, _ := proto.GetExtension(md.Options(), optionsv1.E_Resource).(*optionsv1.Resource); r != nil && !f(md, r) {
				return false
			}
		}
		return true
	})
}

func (c *Catalog) summary(md protoreflect.MessageDescriptor, r *optionsv1.Resource) *catalogv1.ResourceSummary {
	n := 0
	for _, m := range c.methods {
		if m.isAbout(md, r) {
			n++
		}
	}
	return &catalogv1.ResourceSummary{
		Schema:         r.GetSchema(),
		Type:           r.GetType(),
		Message:        string(md.FullName()),
		OperationCount: int32(n),
	}
}

// isAbout says whether a method answers with the message, or deletes or links
// resources of its type.
func (m *Method) isAbout(md protoreflect.MessageDescriptor, r *optionsv1.Resource) bool {
	fields := m.Desc.Output().Fields()
	for i := range fields.Len() {
		if role, _ := fieldRole(fields.Get(i)); role == optionsv1.Role_ROLE_DATA {
			return fields.Get(i).Message() == md
		}
	}
	parts := strings.Split(m.Template, "/")
	return len(parts) > 2 && parts[2] == r.GetType() || m.Options.GetType() == r.GetType()
}

func (c *Catalog) describe(md protoreflect.MessageDescriptor, r *optionsv1.Resource) *catalogv1.GetResourceResponse {
	out := &catalogv1.GetResourceResponse{Resource: c.summary(md, r)}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
		_, name := fieldRole(fd)
		member := &catalogv1.Member{
			Name:       name,
			Field:      string(fd.Name()),
			Kind:       fd.Kind().String(),
			Deprecated: deprecated(fd.Options()),
		}
		switch o.GetRole() {
		case optionsv1.Role_ROLE_ATTRIBUTE:
			if fd.Message() != nil {
				member.Kind = string(fd.Message().FullName())
			}
			member.Values = enumValues(fd)
			out.Attributes = append(out.Attributes, member)
		case optionsv1.Role_ROLE_RELATIONSHIP:
			member.Kind = o.GetType()
			out.Relationships = append(out.Relationships, member)
		}
	}
	for _, m := range c.methods {
		if m.isAbout(md, r) {
			out.Operations = append(out.Operations, operation(m))
		}
	}
	return out
}

func enumValues(fd protoreflect.FieldDescriptor) (out []string) {
	if fd.Kind() != protoreflect.EnumKind {
		return nil
	}
	for i := range fd.Enum().Values().Len() {
		if v := fd.Enum().Values().Get(i); v.Number() > 1 {
			out = append(out, jsonapi.EnumValueName(v))
		}
	}
	return out
}

func deprecated(o protoreflect.ProtoMessage) bool {
	d, ok := o.(interface{ GetDeprecated() bool })
	return ok && d.GetDeprecated()
}

func operation(m *Method) *catalogv1.Operation {
	out := &catalogv1.Operation{
		Id:         m.Options.GetOperationId(),
		Rpc:        strings.TrimPrefix(m.FullName, "/"),
		Method:     m.Verb,
		Path:       m.Template,
		Parameters: m.Query.Names(),
		Deprecated: deprecated(m.Desc.Options()),
	}
	for i := range m.Desc.Input().Fields().Len() {
		fd := m.Desc.Input().Fields().Get(i)
		if role, name := fieldRole(fd); m.HasBody &&
			(role == optionsv1.Role_ROLE_ATTRIBUTE ||
				role == optionsv1.Role_ROLE_RELATIONSHIP ||
				role == optionsv1.Role_ROLE_LINKAGE) {
			out.BodyFields = append(out.BodyFields, name)
		}
	}
	return out
}
