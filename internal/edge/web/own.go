package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/comments"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// ownArea is the area of the gateway's own services, as in the OpenAPI documents.
const ownArea = "gateway"

// own is a method of the gateway's own services. Its plan has no options: they
// describe Apple's operations.
type own struct {
	*service.Method
	watch bool // the answer is a stream of messages
}

// ownMethods are those of the methods that are the gateway's own, by name. Google's
// google.longrunning.Operations shows the operations of OperationService once more,
// over gRPC only: it has no page.
func ownMethods(methods []*access.Method) (list []*own) {
	for _, m := range methods {
		if !m.Own || !strings.HasPrefix(m.Name(), "ascgateway.") {
			continue
		}
		if o := newOwn(m); o != nil {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *own) int { return cmp.Compare(a.FullName, b.FullName) })
	return list
}

// newOwn reads a method's descriptor. It returns nil if the program does not hold
// the request's type.
func newOwn(m *access.Method) *own {
	md := m.Desc()
	in, err := protoregistry.GlobalTypes.FindMessageByName(md.Input().FullName())
	if err != nil {
		return nil
	}
	file := md.IsStreamingServer() && isFile(md.Output())
	o := &own{
		Method: &service.Method{Desc: md, FullName: m.FullName, Verb: m.Verb, Input: in, Stream: file},
		watch:  md.IsStreamingServer() && !file,
	}
	rule, _ := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
	for _, r := range [][2]string{
		{http.MethodGet, rule.GetGet()},
		{http.MethodPost, rule.GetPost()},
		{http.MethodPatch, rule.GetPatch()},
		{http.MethodDelete, rule.GetDelete()},
	} {
		if r[1] != "" {
			o.Verb, o.Template = r[0], r[1]
		}
	}
	o.HasBody = rule.GetBody() != ""
	return o
}

// isFile says whether a stream of these messages is a file in parts.
func isFile(md protoreflect.MessageDescriptor) bool {
	for i := range md.Fields().Len() {
		if inner := md.Fields().Get(i).Message(); inner != nil && inner.FullName() == "asc.types.v1.FileInfo" {
			return true
		}
	}
	return false
}

// service is the name of the method's service.
func (o *own) service() string { return string(o.Desc.Parent().Name()) }

// path is the path template, or a note that there is none.
func (o *own) path() string { return cmp.Or(o.Template, "over gRPC only") }

// entry is the method in a list.
func (o *own) entry() found {
	return found{
		Name:       string(o.Desc.Name()),
		Verb:       o.Verb,
		Path:       o.path(),
		URL:        "/docs" + o.FullName,
		Deprecated: deprecated(o.Desc.Options()),
	}
}

// lookupOwn finds a method by its full name, nil if it is none.
func (p *Pages) lookupOwn(fullName string) *own {
	for _, o := range p.own {
		if o.FullName == fullName {
			return o
		}
	}
	return nil
}

// listOwn shows the gateway's own methods by their services.
func (p *Pages) listOwn(res *results) {
	for _, o := range p.own {
		if n := len(res.Groups); n == 0 || res.Groups[n-1].Service != o.service() {
			res.Groups = append(res.Groups, group{Service: o.service()})
		}
		g := &res.Groups[len(res.Groups)-1]
		g.Operations = append(g.Operations, o.entry())
		res.Count++
	}
}

// searchOwn finds the gateway's own methods whose name or path has every word of
// a query. exact says that the query is the name of the first one.
func (p *Pages) searchOwn(query string) (list []found, exact bool) {
	words := strings.Fields(strings.ToLower(query))
	name := strings.ToLower(strings.ReplaceAll(query, " ", ""))
	for _, o := range p.own {
		text := strings.ToLower(o.Verb + " " + strings.TrimPrefix(o.FullName, "/") + " " + o.path())
		if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			continue
		}
		if short := strings.ToLower(string(o.Desc.Name())); name == short || strings.HasSuffix(name, "/"+short) {
			list, exact = slices.Insert(list, 0, o.entry()), true
			continue
		}
		list = append(list, o.entry())
	}
	return list, exact
}

// ownOperation is the page of a method of the gateway's own.
func (p *Pages) ownOperation(o *own, c caller) (operationPage, error) {
	x, err := newOwnExample(o, p.shortName(o.FullName))
	if err != nil {
		return operationPage{}, err
	}
	page := p.pageOf(x, c)
	page.Own, page.Area, page.Path = true, ownArea, o.path()
	page.About = p.about()(o.Desc.Parent()) + " " + p.about()(o.Desc)
	page.Request, page.Answer = p.ownRequest(o), p.ownAnswer(o)
	page.Errors = ownProblems(o)
	page.CanTry = o.Template != "" && !o.watch && !o.Desc.IsStreamingClient()
	if o.Template == "" {
		page.Ours = ""
	}
	return page, nil
}

// newOwnExample makes the sample of a method of the gateway's own.
func newOwnExample(o *own, short string) (*example, error) {
	x := &example{method: o.Method, msg: ownSample(o), short: short, watch: o.watch, path: o.Template}
	whole, err := marshal(x.msg)
	if err != nil {
		return nil, err
	}
	x.whole = string(whole)
	body := o.Input.New()
	var query []string
	for i := range x.msg.Descriptor().Fields().Len() {
		fd := x.msg.Descriptor().Fields().Get(i)
		switch {
		case !x.msg.Has(fd):
		case o.inPath(fd):
			value := url.PathEscape(x.msg.Get(fd).String())
			x.path = strings.Replace(x.path, "{"+string(fd.Name())+"}", value, 1)
		case o.HasBody:
			body.Set(fd, x.msg.Get(fd))
		case !fd.IsList() && fd.Message() == nil: // others have no form in a query that all would read alike
			query = append(query, fd.JSONName()+"="+url.QueryEscape(scalarText(fd, x.msg.Get(fd))))
		}
	}
	x.query = strings.Join(query, "&")
	if !o.HasBody {
		return x, nil
	}
	b, err := marshal(body)
	x.body = indented(b)
	return x, err
}

func (o *own) inPath(fd protoreflect.FieldDescriptor) bool {
	return strings.Contains(o.Template, "{"+string(fd.Name())+"}")
}

// ownSamples are values that make a call worth trying, by the field's full name.
var ownSamples = map[protoreflect.FullName]string{
	"ascgateway.catalog.v1.GetResourceRequest.name":       "apps",
	"ascgateway.catalog.v1.SearchOperationsRequest.query": "list builds",
	"ascgateway.tokens.v1.MintTokenRequest.scope":         "GET /v1/apps",
	"ascgateway.files.v1.DownloadFileRequest.type":        "ciArtifacts",
	"ascgateway.files.v1.DownloadFileRequest.id":          "CI_ARTIFACT_ID",
	"ascgateway.files.v1.DownloadFileRequest.field":       "downloadUrl",

	"ascgateway.reports.v1.StreamSalesReportRequest.vendor_number":      "80012345",
	"ascgateway.reports.v1.StreamSalesReportRequest.from":               "2026-11-01",
	"ascgateway.reports.v1.StreamSubscriberReportRequest.vendor_number": "80012345",
	"ascgateway.reports.v1.StreamSubscriberReportRequest.from":          "2026-11-01",
	"ascgateway.reports.v1.StreamPowerMetricsRequest.app":               "1500004001",
	"ascgateway.reports.v1.StreamDiagnosticsRequest.build":              "BUILD_ID",
	"ascgateway.reports.v1.StreamFinanceReportRequest.vendor_number":    "80012345",
	"ascgateway.reports.v1.StreamFinanceReportRequest.from":             "2026-01",
	"ascgateway.reports.v1.StreamAnalyticsReportRequest.app":            "1500004001",
	"ascgateway.reports.v1.StreamAnalyticsReportRequest.report":         "App Sessions Standard",
	"ascgateway.reports.v1.StartAnalyticsReportsRequest.app":            "1500004001",

	"ascgateway.workflows.v1.PlanDistributeBuildRequest.app":    "com.example.trailmix", // of the sandbox
	"ascgateway.workflows.v1.PlanDistributeBuildRequest.build":  "newest",
	"ascgateway.workflows.v1.PlanDistributeBuildRequest.groups": "Friends",
	"ascgateway.workflows.v1.DistributeBuildRequest.app":        "com.example.trailmix",
	"ascgateway.workflows.v1.DistributeBuildRequest.build":      "newest",
	"ascgateway.workflows.v1.DistributeBuildRequest.groups":     "Friends",
}

// ownSample is a small request: what is in the path or must be there, and what
// [ownSamples] adds.
func ownSample(o *own) protoreflect.Message {
	msg := o.Input.New()
	for i := range msg.Descriptor().Fields().Len() {
		fd := msg.Descriptor().Fields().Get(i)
		switch text := protoreflect.ValueOfString(ownSamples[fd.FullName()]); {
		case text.String() != "" && fd.IsList():
			msg.Mutable(fd).List().Append(text)
		case text.String() != "":
			msg.Set(fd, text)
		case o.inPath(fd) && fd.Name() == "id" && fd.Kind() == protoreflect.StringKind:
			before, _, _ := strings.Cut(o.Template, "/{id}")
			msg.Set(fd, protoreflect.ValueOfString(placeholder(before[strings.LastIndexByte(before, '/')+1:])))
		case o.inPath(fd) || rulesOf(fd).GetRequired() || rulesOf(fd).GetRepeated().GetMinItems() > 0:
			sampleField(msg, fd, 0)
		}
	}
	return msg
}

func rulesOf(fd protoreflect.FieldDescriptor) *validate.FieldRules {
	rules, _ := proto.GetExtension(fd.Options(), validate.E_Field).(*validate.FieldRules)
	return rules
}

// ownRequest lists the fields of a request by their place.
func (p *Pages) ownRequest(o *own) []Section {
	path, query, body := Section{
		Title: "Path",
		Own:   true,
	}, Section{
		Title: "Query",
		Own:   true,
	}, Section{
		Title: "Body",
		Own:   true,
	}
	if o.Template == "" {
		body.Title = "Fields"
	}
	for i := range o.Desc.Input().Fields().Len() {
		fd := o.Desc.Input().Fields().Get(i)
		switch {
		case o.inPath(fd):
			path.Rows = append(path.Rows, p.ownRows(fd, "", "", 0)...)
		case o.HasBody || o.Template == "":
			body.Rows = append(body.Rows, p.ownRows(fd, "", "", 0)...)
		default:
			query.Rows = append(query.Rows, p.ownRows(fd, "", "", 0)...)
		}
	}
	list := slices.DeleteFunc([]Section{path, query, body}, func(s Section) bool { return len(s.Rows) == 0 })
	if len(list) == 0 {
		return []Section{{Title: "No fields"}}
	}
	return list
}

// ownAnswer lists the fields of an answer.
func (p *Pages) ownAnswer(o *own) []Section {
	s := Section{Title: "Answer"}
	switch {
	case o.Stream:
		s = Section{
			Title: "A file",
			Note:  "Over REST it is the plain file. Over gRPC it comes in parts, a description first.",
		}
	case o.watch:
		s = Section{Title: "A stream of messages", Note: "Over REST each message is a line of JSON."}
	}
	s.Own = true
	for i := range o.Desc.Output().Fields().Len() {
		s.Rows = append(s.Rows, p.ownRows(o.Desc.Output().Fields().Get(i), "", "", 0)...)
	}
	return []Section{s}
}

// ownRows describes a field by its comment, and the fields of the message that it
// holds.
func (p *Pages) ownRows(fd protoreflect.FieldDescriptor, name, json string, depth int) []Row {
	name, json = name+string(fd.Name()), json+fd.JSONName()
	r := rowOf(fd, name, json)
	if rulesOf(fd).GetRequired() {
		r.Rules = slices.Insert(r.Rules, 0, "required")
	}
	if most := rulesOf(fd).GetRepeated().GetMaxItems(); most > 0 {
		r.Rules = append(r.Rules, fmt.Sprintf("at most %d", most))
	}
	if text := p.about()(fd); text != "" {
		r.Rules = append(r.Rules, text)
	}
	rows := []Row{r}
	md := fd.Message()
	if md == nil || fd.IsMap() || depth >= rowDepth || md.ParentFile().Package() == "google.protobuf" {
		return rows
	}
	if fd.IsList() {
		name, json = name+"[]", json+"[]"
	}
	for i := range md.Fields().Len() {
		if inner := md.Fields().Get(i); inner.Message() != md {
			rows = append(rows, p.ownRows(inner, name+".", json+".", depth+1)...)
		}
	}
	return rows
}

// ownTextsOf reads the comments of the gateway's own protos, when first asked, and
// keeps those alone.
func ownTextsOf(methods []*own) func() func(protoreflect.Descriptor) string {
	return sync.OnceValue(func() func(protoreflect.Descriptor) string {
		set, err := comments.Read()
		if err != nil { // a page without them still shows everything else
			return func(protoreflect.Descriptor) string { return "" }
		}
		texts := map[protoreflect.FullName]string{}
		keep := func(d protoreflect.Descriptor) { texts[d.FullName()] = strings.ReplaceAll(set.Of(d), "\n", " ") }
		var message func(protoreflect.MessageDescriptor)
		message = func(md protoreflect.MessageDescriptor) {
			if _, seen := texts[md.FullName()]; seen {
				return
			}
			keep(md)
			for i := range md.Fields().Len() {
				fd := md.Fields().Get(i)
				if keep(fd); fd.Message() != nil {
					message(fd.Message())
				}
			}
		}
		for _, o := range methods {
			keep(o.Desc.Parent())
			keep(o.Desc)
			message(o.Desc.Input())
			message(o.Desc.Output())
		}
		return func(d protoreflect.Descriptor) string { return texts[d.FullName()] }
	})
}

// ownProblems lists what can go wrong with every method of the gateway's own.
func ownProblems(o *own) []problem {
	list := []problem{problemInvalid, problemStranger, problemDenied}
	if strings.Contains(o.Template, "{") {
		list = append(list, problem{"404", "NOT_FOUND", "NOT_FOUND", "There is nothing of this name."})
	}
	return append(list, problem{"429", "RESOURCE_EXHAUSTED", "OVERLOADED",
		"The gateway has no room for the call. Retry-After says when to come again."})
}
