package service

import (
	"net/url"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"google.golang.org/protobuf/proto"
)

// Preview is the request to Apple that a request to the gateway becomes, page
// parameters apart. Nothing is sent, and nothing is kept. It is no check: what
// is wrong but can be written is written.
func (m *Method) Preview(req proto.Message) (asc.Call, error) {
	msg := req.ProtoReflect()
	c := asc.Call{Operation: m.Options.GetOperationId(), Method: m.Verb, Template: m.Template, Path: m.Template}
	if m.id != nil {
		c.Path = strings.Replace(m.Template, "{id}", url.PathEscape(msg.Get(m.id).String()), 1)
	}
	pairs, err := m.Query.encode(msg)
	if err != nil {
		return asc.Call{}, err
	}
	c.Query = joined(pairs)
	if m.HasBody {
		if c.Body, err = (&jsonapi.Codec{}).Encode(req, m.Options.GetType()); err != nil {
			return asc.Call{}, err
		}
	}
	return c, nil
}
