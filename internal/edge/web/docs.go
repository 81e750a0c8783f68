package web

import (
	"net/http"
	"slices"
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
	data := map[string]any{"Results": res, "Areas": p.areas(), "Count": p.count()}
	if q.Get("part") == "results" {
		p.show(w, "docs.html", "results", data)
		return
	}
	p.show(w, "docs.html", "", assets.Page{Title: "Operations", Links: links("/docs"), Script: "docs.js", Content: data})
}

// search asks the catalog, which knows what of Apple's fits best, and looks
// through the gateway's own methods. These come last, but for one that was named.
func (p *Pages) search(r *http.Request, res *results) {
	var ours []found
	var named bool
	if res.Area == "" || res.Area == ownArea {
		ours, named = p.searchOwn(res.Query)
	}
	var apples []found
	if res.Area != ownArea {
		answer, err := p.catalog.SearchOperations(r.Context(),
			&catalogv1.SearchOperationsRequest{Query: res.Query, Area: res.Area})
		if err != nil {
			res.Wrong = "This cannot be searched for."
			return
		}
		res.Count = max(int(answer.GetTotalSize()), len(answer.GetOperations()))
		res.Unknown = answer.GetUnknownWords()
		for _, o := range answer.GetOperations() {
			apples = append(apples, found{
				Name:       nameOf(o.GetRpc()),
				Verb:       o.GetMethod(),
				Path:       o.GetPath(),
				URL:        "/docs/" + o.GetRpc(),
				Deprecated: o.GetDeprecated(),
			})
		}
	}
	apples = apples[:min(len(apples), max(mostResults-len(ours), 0))]
	if res.List = slices.Concat(apples, ours); named {
		res.List = slices.Concat(ours, apples)
	}
	res.Count += len(ours)
	res.More = res.Count - len(res.List)
}

func nameOf(rpc string) string { return rpc[strings.LastIndexByte(rpc, '/')+1:] }

// list shows an area by its services. It reads the index alone: descriptors stay
// in memory once they were looked at.
func (p *Pages) list(res *results) {
	if res.Area == ownArea {
		p.listOwn(res)
		return
	}
	for _, e := range p.engine.Entries {
		if e.Area() != res.Area {
			continue
		}
		name := e.Service()[strings.LastIndexByte(e.Service(), '.')+1:]
		if n := len(res.Groups); n == 0 || res.Groups[n-1].Service != name {
			res.Groups = append(res.Groups, group{Service: name})
		}
		g := &res.Groups[len(res.Groups)-1]
		g.Operations = append(g.Operations,
			found{Name: e.Name(), Verb: e.Verb, Path: e.Template, URL: "/docs" + e.FullName})
		res.Count++
	}
}

// operationPage is what the page of an operation shows.
type operationPage struct {
	Name, FullName, Service, Area, Verb, Path string
	About                                     string // of an own method
	AppleID, Type                             string // "" of an own method
	Own                                       bool   // the gateway's own method: Apple has no such request
	Deprecated, Write, HasBody, Stream        bool
	Sandboxed, Token                          bool
	Apple, Ours                               string
	Lines                                     []Line
	Request, Answer                           []Section
	Errors                                    []problem
	Costs                                     []string
	Sets                                      []policy.Set
	Rule                                      appRule
	CanTry                                    bool
	TryPath, TryQuery, TryBody                string
}

// operation is the page of one operation.
func (p *Pages) operation(w http.ResponseWriter, r *http.Request) {
	fullName := "/" + r.PathValue("service") + "/" + r.PathValue("method")
	c := caller{base: base(r), grpc: p.grpcAddress(r), token: !p.cfg.Anonymous()}
	var page operationPage
	var err error
	if o := p.lookupOwn(fullName); o != nil {
		page, err = p.ownOperation(o, c)
	} else if m := p.engine.Lookup(fullName); m != nil {
		page, err = p.appleOperation(m, c)
	} else {
		p.notFound(w)
		return
	}
	if err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	whole := assets.Page{Title: page.Name, Links: links("/docs"), Content: page}
	if page.CanTry {
		whole.Script = "try.js"
	}
	p.show(w, "operation.html", "", whole)
}

// appleOperation is the page of an operation of Apple's.
func (p *Pages) appleOperation(m *service.Method, c caller) (operationPage, error) {
	x, err := newExample(m, p.shortName(m.FullName))
	if err != nil {
		return operationPage{}, err
	}
	page := p.pageOf(x, c)
	page.AppleID, page.Type = m.Options.GetOperationId(), m.Options.GetType()
	page.Apple = x.appleText()
	page.Request, page.Answer = requestSections(m), answerSections(m)
	page.Errors, page.Costs = problems(m), costs(m)
	return page, nil
}

// pageOf is what the pages of all methods have.
func (p *Pages) pageOf(x *example, c caller) operationPage {
	m := x.method
	page := operationPage{
		Name:       string(m.Desc.Name()),
		FullName:   strings.TrimPrefix(m.FullName, "/"),
		Service:    string(m.Desc.Parent().Name()),
		Area:       m.Area(),
		Verb:       m.Verb,
		Path:       m.Template,
		Deprecated: deprecated(m.Desc.Options()),
		Write:      m.Verb != http.MethodGet,
		HasBody:    m.HasBody,
		Stream:     m.Stream,
		Sandboxed:  p.cfg.Sandboxed,
		Token:      c.token,
		Ours:       x.oursText(c),
		Lines:      x.lines(c),
		CanTry:     true,
		TryPath:    x.path,
		TryQuery:   x.query,
		TryBody:    x.body,
	}
	if named := p.named(m.FullName); named != nil {
		kind, by := restrict.Written(named.Name())
		page.Sets, page.Rule = setsOf(named), appRule{kind, appRules[kind], by}
	}
	return page
}

func (p *Pages) notFound(w http.ResponseWriter) {
	assets.Protect(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	p.show(w, "none.html", "", assets.Page{Title: "Not found", Links: links("")})
}

// shortName is the name of a method, with its service if other services have one
// of the same name.
func (p *Pages) shortName(fullName string) string {
	short := fullName[strings.LastIndexByte(fullName, '/'):]
	for _, other := range p.methods {
		if strings.HasSuffix(other.FullName, short) && other.FullName != fullName {
			return strings.TrimPrefix(fullName, "/")
		}
	}
	return short[1:]
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
	restrict.Own: "A caller that is kept to apps may call it for what belongs to one of them. " +
		"The gateway follows the relationships up to the app.",
	restrict.Parent: "A caller that is kept to apps may create it below something of one of them.",
	restrict.Filter: "A caller that is kept to apps sees only what belongs to them.",
	restrict.Learned: "A caller that is kept to apps may call it for what an answer has shown " +
		"to belong to one of them.",
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
		list = append(list, "One request a page. "+
			"A page_size above Apple's limit takes one request for each further page of Apple's.")
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

// What can go wrong with every method.
var (
	problemInvalid = problem{"400", "INVALID_ARGUMENT", "INVALID_REQUEST",
		"A field is wrong. The error names it, and nothing was sent."}
	problemStranger = problem{"401", "UNAUTHENTICATED", "UNAUTHENTICATED", "The caller is not known."}
	problemDenied   = problem{"403", "PERMISSION_DENIED", "POLICY_DENIED, APP_RESTRICTED",
		"The policy does not allow the call, or it is about another app."}
)

// problems lists what can go wrong by the shape of an operation.
func problems(m *service.Method) []problem {
	list := []problem{problemInvalid, problemStranger, problemDenied}
	if strings.Contains(m.Template, "{id}") {
		list = append(list, problem{"404", "NOT_FOUND", "NOT_FOUND", "Apple knows no such id."})
	}
	if m.Verb != http.MethodGet {
		list = append(list, problem{"409", "FAILED_PRECONDITION, ALREADY_EXISTS", "Apple's code",
			"The state of things at Apple does not allow the change."})
	}
	list = append(list, problem{"429", "RESOURCE_EXHAUSTED", "QUOTA_EXHAUSTED, BUDGET_EXHAUSTED, OVERLOADED",
		"The wait would be longer than the deadline, or the caller's budget is spent. Retry-After says when to come again."})
	if m.Options.GetQuery().GetPageLimit() > 0 {
		list = append(list, problem{"400", "INVALID_ARGUMENT", "INVALID_PAGE_TOKEN",
			"The page token is of another request."})
	}
	if m.Options.GetShape() == optionsv1.Shape_SHAPE_CREATE_INSTANCE {
		list = append(list, problem{"409", "ALREADY_EXISTS", "REQUEST_ID_REUSED",
			"The request_id named another request."})
	}
	if m.Verb != http.MethodGet {
		list = append(list, problem{"504", "UNKNOWN", "OUTCOME_UNKNOWN",
			"The write was sent and its answer was lost. Look before sending it again."})
	}
	return append(list,
		problem{"502", "INTERNAL, UNAVAILABLE", "UPSTREAM_CREDENTIALS, KEY_UNUSABLE",
			"Apple refuses the gateway's key, or it does not sign."},
		problem{"503", "UNAVAILABLE", "UPSTREAM_UNAVAILABLE", "Apple does not answer."})
}
