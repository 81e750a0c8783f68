package web

import (
	"net/http"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/access/restrict"
	"github.com/asc-gateway/asc-gateway/internal/edge/web/assets"
	"github.com/asc-gateway/asc-gateway/internal/service"
)

// mostResults is how many operations one search shows.
const mostResults = 100

// maxQueryBytes bounds a search.
const maxQueryBytes = 256

// found is an operation in a list.
type found struct {
	Name, Verb, Path, URL string
	Deprecated            bool
}

// group is the operations of one service.
type group struct {
	Service    string
	Operations []found
}

// results of a search or of an area.
type results struct {
	Query, Area string
	Count, More int
	List        []found
	Groups      []group
	Unknown     []string // words that no operation has
	Wrong       string   // why there was no search
}

// docs is the list of operations: of an area, or what a search finds. With
// part=results it is only the list, for the script that searches as one types.
func (p *Pages) docs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	res := results{Query: strings.TrimSpace(q.Get("q")), Area: q.Get("area")}
	switch {
	case len(res.Query) > maxQueryBytes:
		res.Query, res.Wrong = res.Query[:0], "A search has at most 256 bytes."
	case res.Query != "":
		p.search(r, &res)
	case aboutAreas[res.Area] != "" || res.Area != "":
		p.list(&res)
	}
	data := map[string]any{"Results": res, "Areas": p.areas(), "Count": len(p.engine.Entries)}
	if q.Get("part") == "results" {
		p.show(w, "docs.html", "results", data)
		return
	}
	p.show(w, "docs.html", "", assets.Page{Title: "Operations", Links: links("/docs"), Script: "docs.js", Content: data})
}

// search asks the catalog, which knows what fits best.
func (p *Pages) search(r *http.Request, res *results) {
	answer, err := p.catalog.SearchOperations(r.Context(), &catalogv1.SearchOperationsRequest{Query: res.Query, Area: res.Area})
	if err != nil {
		res.Wrong = "This cannot be searched for."
		return
	}
	list := answer.GetOperations()
	res.Count = max(int(answer.GetTotalSize()), len(list))
	res.Unknown = answer.GetUnknownWords()
	for _, o := range list[:min(len(list), mostResults)] {
		res.List = append(res.List, found{Name: nameOf(o.GetRpc()), Verb: o.GetMethod(), Path: o.GetPath(), URL: "/docs/" + o.GetRpc(), Deprecated: o.GetDeprecated()})
	}
	res.More = res.Count - len(res.List)
}

func nameOf(rpc string) string { return rpc[strings.LastIndexByte(rpc, '/')+1:] }

// list shows an area by its services. It reads the index alone: descriptors stay
// in memory once they were looked at.
func (p *Pages) list(res *results) {
	for _, e := range p.engine.Entries {
		if e.Area() != res.Area {
			continue
		}
		name := e.Service()[strings.LastIndexByte(e.Service(), '.')+1:]
		if n := len(res.Groups); n == 0 || res.Groups[n-1].Service != name {
			res.Groups = append(res.Groups, group{Service: name})
		}
		g := &res.Groups[len(res.Groups)-1]
		g.Operations = append(g.Operations, found{Name: e.Name(), Verb: e.Verb, Path: e.Template, URL: "/docs" + e.FullName})
		res.Count++
	}
}

// operationPage is what the page of an operation shows.
type operationPage struct {
	Name, FullName, Service, Area, Verb, Path, AppleID, Type string
	Deprecated, Write, HasBody, Stream, Sandboxed, Token     bool
	Apple, Ours                                              string
	Lines                                                    []Line
	Request, Answer                                          []Section
	Errors                                                   []problem
	Costs                                                    []string
	Sets                                                     []policy.Set
	Rule                                                     appRule
	Target, TryPath, TryQuery, TryBody                       string
	HasID                                                    bool
}

// operation is the page of one operation.
func (p *Pages) operation(w http.ResponseWriter, r *http.Request) {
	m := p.engine.Lookup("/" + r.PathValue("service") + "/" + r.PathValue("method"))
	if m == nil {
		p.notFound(w)
		return
	}
	x, err := newExample(m, p.shortName(m))
	if err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	c := caller{base: base(r), grpc: p.grpcAddress(r), token: !p.cfg.Anonymous()}
	named := p.named(m.FullName)
	o := operationPage{Name: string(m.Desc.Name()), FullName: strings.TrimPrefix(m.FullName, "/"), Service: string(m.Desc.Parent().Name()), Area: m.Area(),
		Verb: m.Verb, Path: m.Template, AppleID: m.Options.GetOperationId(), Type: m.Options.GetType(), Deprecated: deprecated(m.Desc.Options()),
		Write: m.Verb != "GET", HasBody: m.HasBody, Stream: m.Stream, Sandboxed: p.cfg.Sandboxed, Token: c.token,
		Apple: x.appleText(), Ours: x.oursText(c), Lines: x.lines(c), Request: requestSections(m), Answer: answerSections(m),
		Errors: problems(m), Costs: costs(m), Target: x.target(), TryPath: x.path, TryQuery: x.query, TryBody: x.body, HasID: strings.Contains(m.Template, "{id}")}
	if named != nil {
		kind, by := restrict.Written(named.Name())
		o.Sets, o.Rule = setsOf(named), appRule{kind, appRules[kind], by}
	}
	p.show(w, "operation.html", "", assets.Page{Title: o.Name, Links: links("/docs"), Script: "try.js", Content: o})
}

func (p *Pages) notFound(w http.ResponseWriter) {
	assets.Protect(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	p.show(w, "none.html", "", assets.Page{Title: "Not found", Links: links("")})
}

// shortName is the name of a method, with its service if other services have one
// of the same name.
func (p *Pages) shortName(m *service.Method) string {
	for _, other := range p.engine.Entries {
		if strings.HasSuffix(other.FullName, "/"+string(m.Desc.Name())) && other.FullName != m.FullName {
			return strings.TrimPrefix(m.FullName, "/")
		}
	}
	return string(m.Desc.Name())
}

// appleText is the request that Apple gets.
func (x *example) appleText() string {
	text := x.method.Verb + " " + appleURL + x.target() + "\nAuthorization: Bearer (a token that the gateway makes)\n"
	if x.method.HasBody {
		text += "Content-Type: application/json\n\n" + x.apple
	}
	return text
}

// oursText is the same request to the gateway.
func (x *example) oursText(c caller) string {
	text := x.method.Verb + " " + c.base + x.target() + "\n"
	if c.token {
		text += "Authorization: Bearer (the caller's token)\n"
	}
	if x.method.HasBody {
		text += "Content-Type: application/json\n\n" + x.body
	}
	return text
}

// appRule is how callers that are kept to apps may call.
type appRule struct {
	Kind restrict.Kind
	Text string
	By   string
}

var appRules = map[restrict.Kind]string{
	restrict.Own:     "A caller that is kept to apps may call it for what belongs to one of them. The gateway follows the relationships up to the app.",
	restrict.Parent:  "A caller that is kept to apps may create it below something of one of them.",
	restrict.Filter:  "A caller that is kept to apps sees only what belongs to them.",
	restrict.Learned: "A caller that is kept to apps may call it for what an answer has shown to belong to one of them.",
	restrict.Catalog: "It is the same for everyone: a caller that is kept to apps may call it.",
	restrict.Org:     "It belongs to the organisation: a caller that is kept to apps needs a rule with org: true.",
}

// costs says what a call takes of the key's hour.
func costs(m *service.Method) (list []string) {
	most := m.Options.GetQuery().GetPageLimit()
	switch {
	case m.Stream:
		list = append(list, "One request.")
	case most > 0:
		list = append(list, "One request a page. A page_size above Apple's limit takes one request for each further page of Apple's.")
	case m.Verb == "GET":
		list = append(list, "One request. None where the answer is kept or an equal read is under way.")
	default:
		list = append(list, "One request. None with validate_only, where there is one.")
	}
	if m.Verb == "GET" {
		list = append(list, "After a lost answer it is sent again by itself, and each attempt counts.")
	} else {
		list = append(list, "A write is never sent twice, unless Apple refused the first attempt before it did anything.")
	}
	return list
}

// problem is an error that a call can end with.
type problem struct{ Status, Code, Reason, Text string }

// problems lists what can go wrong by the shape of an operation.
func problems(m *service.Method) []problem {
	list := []problem{
		{"400", "INVALID_ARGUMENT", "INVALID_REQUEST", "A field is wrong. The error names it, and nothing was sent."},
		{"401", "UNAUTHENTICATED", "UNAUTHENTICATED", "The caller is not known."},
		{"403", "PERMISSION_DENIED", "POLICY_DENIED, APP_RESTRICTED", "The policy does not allow the call, or it is about another app."},
	}
	if strings.Contains(m.Template, "{id}") {
		list = append(list, problem{"404", "NOT_FOUND", "NOT_FOUND", "Apple knows no such id."})
	}
	if m.Verb != "GET" {
		list = append(list, problem{"409", "FAILED_PRECONDITION, ALREADY_EXISTS", "Apple's code", "The state of things at Apple does not allow the change."})
	}
	list = append(list, problem{"429", "RESOURCE_EXHAUSTED", "QUOTA_EXHAUSTED, OVERLOADED", "The wait would be longer than the deadline. Retry-After says when to come again."})
	if m.Options.GetQuery().GetPageLimit() > 0 {
		list = append(list, problem{"400", "INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", "The page token is of another request."})
	}
	if m.Options.GetShape() == optionsv1.Shape_SHAPE_CREATE_INSTANCE {
		list = append(list, problem{"409", "ALREADY_EXISTS", "REQUEST_ID_REUSED", "The request_id named another request."})
	}
	if m.Verb != "GET" {
		list = append(list, problem{"504", "UNKNOWN", "OUTCOME_UNKNOWN", "The write was sent and its answer was lost. Look before sending it again."})
	}
	return append(list,
		problem{"502", "INTERNAL, UNAVAILABLE", "UPSTREAM_CREDENTIALS, KEY_UNUSABLE", "Apple refuses the gateway's key, or it does not sign."},
		problem{"503", "UNAVAILABLE", "UPSTREAM_UNAVAILABLE", "Apple does not answer."})
}
