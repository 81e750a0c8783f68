package service

import (
	"cmp"
	"slices"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// searchIndex finds operations by words. It is made by the first search: an idle
// gateway need not hold it.
type searchIndex struct {
	methods []*Method
	terms   []string   // sorted
	found   [][]uint32 // by term: operations, and what the term weighs there
	byPath  []uint16   // all operations
	titles  []uint8    // how many words an operation's name has
}

// What a word weighs: the more it says about what an operation is for.
const (
	weighsName      = 10 // a word of the RPC's name
	weighsPath      = 6  // of Apple's path
	weighsResource  = 5
	weighsVerb      = 4 // another word for what it does, such as "remove"
	weighsBody      = 3 // a field of the body
	weighsAttribute = 2 // of the resource
	weighsParameter = 2
	weighsRest      = 1
)

// verbs are other words for what operations of a shape do.
var verbs = map[optionsv1.Shape]string{
	optionsv1.Shape_SHAPE_GET_COLLECTION:               "list get find read all",
	optionsv1.Shape_SHAPE_GET_INSTANCE:                 "get read show",
	optionsv1.Shape_SHAPE_GET_TO_MANY_RELATED:          "list get find read",
	optionsv1.Shape_SHAPE_GET_TO_ONE_RELATED:           "get read show",
	optionsv1.Shape_SHAPE_GET_TO_MANY_RELATIONSHIP:     "list get read ids linkage",
	optionsv1.Shape_SHAPE_GET_TO_ONE_RELATIONSHIP:      "get read id linkage",
	optionsv1.Shape_SHAPE_GET_METRICS:                  "get read metrics",
	optionsv1.Shape_SHAPE_CREATE_INSTANCE:              "create add new make post register",
	optionsv1.Shape_SHAPE_CREATE_TO_MANY_RELATIONSHIP:  "add assign post linkage",
	optionsv1.Shape_SHAPE_UPDATE_INSTANCE:              "update change edit modify set patch",
	optionsv1.Shape_SHAPE_UPDATE_TO_ONE_RELATIONSHIP:   "set change assign update patch linkage",
	optionsv1.Shape_SHAPE_REPLACE_TO_MANY_RELATIONSHIP: "replace set reorder change update patch linkage",
	optionsv1.Shape_SHAPE_DELETE_INSTANCE:              "delete remove revoke",
	optionsv1.Shape_SHAPE_DELETE_TO_MANY_RELATIONSHIP:  "remove delete linkage",
}

// nouns have verbs that their letters do not show.
var nouns = map[string]string{"Submission": "submit", "Response": "respond reply answer"}

func newSearchIndex(methods []*Method) *searchIndex {
	b := &indexBuilder{byTerm: map[string][]uint32{}, ofResource: map[protoreflect.FullName]string{}}
	b.readResources()
	x := &searchIndex{methods: methods}
	for i, m := range methods {
		b.op = uint32(i)
		b.method(m)
		x.byPath = append(x.byPath, uint16(i))
		title := slices.DeleteFunc(words(string(m.Desc.Name())), func(w string) bool { return w == "v2" || w == "v3" })
		x.titles = append(x.titles, uint8(len(title)))
	}
	for term := range b.byTerm {
		x.terms = append(x.terms, term)
	}
	slices.Sort(x.terms)
	for _, term := range x.terms {
		x.found = append(x.found, slices.Clip(b.byTerm[term]))
	}
	slices.SortFunc(x.byPath, func(i, j uint16) int {
		a, b := methods[i], methods[j]
		return cmp.Or(cmp.Compare(a.Template, b.Template), cmp.Compare(a.Verb, b.Verb), cmp.Compare(a.FullName, b.FullName))
	})
	return x
}

// indexBuilder collects the words of operations.
type indexBuilder struct {
	byTerm     map[string][]uint32 // operation << 8 | weight
	ofResource map[protoreflect.FullName]string
	byType     map[string]string // the same, by JSON:API type
	op         uint32
}

// readResources lists the names of each resource's attributes and relationships.
func (b *indexBuilder) readResources() {
	b.byType = map[string]string{}
	eachResource(func(md protoreflect.MessageDescriptor, r *optionsv1.Resource) bool {
		var names []string
		for i := range md.Fields().Len() {
			role, name := fieldRole(md.Fields().Get(i))
			if role == optionsv1.Role_ROLE_ATTRIBUTE || role == optionsv1.Role_ROLE_RELATIONSHIP {
				names = append(names, name)
			}
		}
		text := strings.Join(names, " ")
		b.ofResource[md.FullName()], b.byType[r.GetType()] = text, text
		return true
	})
}

func (b *indexBuilder) method(m *Method) {
	id, name := m.Options.GetOperationId(), string(m.Desc.Name())
	b.add(weighsName, name)
	b.add(weighsPath, m.Template)
	b.add(weighsResource, m.Options.GetType()+" "+strings.TrimSuffix(string(m.Desc.Parent().Name()), "Service"))
	b.add(weighsVerb, verbs[m.Options.GetShape()])
	b.add(weighsRest, id+" "+m.Area()+" "+m.Verb+" "+strings.TrimPrefix(m.FullName, "/"))
	b.whole(weighsName, name)
	b.whole(weighsName, id)
	b.whole(weighsRest, string(m.Desc.Parent().Name()))
	for segment := range strings.SplitSeq(m.Template, "/") {
		b.whole(weighsPath, segment)
	}
	b.add(weighsParameter, strings.Join(m.Query.plainNames(), " "))
	attributes := b.resource(m)
	b.add(weighsAttribute, attributes)
	for i := range m.Desc.Input().Fields().Len() {
		if fd := m.Desc.Input().Fields().Get(i); m.HasBody {
			_, field := fieldRole(fd)
			b.add(weighsBody, field)
		}
	}
	create := m.Options.GetShape() == optionsv1.Shape_SHAPE_CREATE_INSTANCE
	if create && strings.Contains(attributes, "uploadOperations") {
		b.add(weighsVerb, "upload")
	}
	for noun, verb := range nouns {
		if create && strings.Contains(name, noun) {
			b.add(weighsVerb, verb)
		}
	}
	if m.Stream {
		b.add(weighsVerb, "download file")
	}
	if strings.Contains(name, "InAppPurchase") {
		b.add(weighsName, "iap")
	}
}

// resource is what the attributes and relationships of an operation's resource
// are called.
func (b *indexBuilder) resource(m *Method) string {
	fields := m.Desc.Output().Fields()
	for i := range fields.Len() {
		if role, _ := fieldRole(fields.Get(i)); role == optionsv1.Role_ROLE_DATA && fields.Get(i).Message() != nil {
			return b.ofResource[fields.Get(i).Message().FullName()]
		}
	}
	return b.byType[m.Options.GetType()]
}

// plainNames are the parameters that name things: not those that choose fields.
func (q *Query) plainNames() (out []string) {
	for _, p := range q.params {
		out = append(out, p.name)
	}
	return out
}

// add notes the words of a text.
func (b *indexBuilder) add(weight uint32, text string) {
	for _, w := range words(text) {
		b.note(weight, singular(w))
		b.note(weight, stem(w))
	}
}

// whole notes a name as one word.
func (b *indexBuilder) whole(weight uint32, name string) {
	if len(words(name)) > 1 {
		b.note(weight, stem(squeezed(name)))
	}
}

// squeezed is a name in lower case without what separates its words.
func squeezed(name string) string { return strings.Join(words(name), "") }

// note adds a term to the operation, or makes it weigh more.
func (b *indexBuilder) note(weight uint32, term string) {
	list := b.byTerm[term]
	if n := len(list); n > 0 && list[n-1]>>8 == b.op {
		list[n-1] = max(list[n-1], b.op<<8|weight)
		return
	}
	b.byTerm[strings.Clone(term)] = append(list, b.op<<8|weight)
}

// filler are words of a phrase that need not be found.
var filler = map[string]bool{"a": true, "an": true, "the": true, "of": true, "for": true, "to": true, "in": true,
	"on": true, "with": true, "and": true, "by": true, "from": true, "my": true, "asc": true, "service": true, "api": true}

// find lists the operations that have all words of a query, the best first.
// unknown are the words that no operation has which wanted admits.
func (x *searchIndex) find(query string, wanted func(*Method) bool) (list []*Method, unknown []string) {
	score, admitted := make([]int, len(x.methods)), make([]bool, len(x.methods))
	for i, m := range x.methods {
		if admitted[i] = wanted(m); !admitted[i] {
			score[i] = -1
		}
	}
	chunks := chunksOf(query)
	for _, chunk := range chunks {
		known, optional := false, filler[strings.ToLower(chunk)]
		for op, w := range x.chunk(chunk) {
			known = known || w > 0 && admitted[op]
			if score[op] < 0 || w == 0 && !optional {
				score[op] = -1
			} else {
				score[op] += w
			}
		}
		if !known && !optional {
			unknown = append(unknown, clip(chunk))
		}
	}
	if len(unknown) > 0 {
		return nil, unknown
	}
	order := slices.DeleteFunc(slices.Clone(x.byPath), func(i uint16) bool { return score[i] < 0 })
	if len(chunks) > 0 {
		x.rank(order, score, squeezed(query))
	}
	for _, i := range order {
		list = append(list, x.methods[i])
	}
	return list, nil
}

// rank sorts what was found. An operation that the query names whole, by path,
// id or RPC, comes first; of two with the same score the one with the shorter
// name, which says less else; what Apple has deprecated comes later.
func (x *searchIndex) rank(order []uint16, score []int, query string) {
	for _, i := range order {
		m := x.methods[i]
		score[i] = score[i]*16 - int(x.titles[i])
		if deprecated(m.Desc.Options()) {
			score[i] /= 2
		}
		switch query {
		case squeezed(m.Template), squeezed(m.Verb + m.Template), squeezed(m.Options.GetOperationId()),
			squeezed(string(m.Desc.Name())), squeezed(m.FullName):
			score[i] += 1 << 20
		}
	}
	slices.SortStableFunc(order, func(a, b uint16) int { return score[b] - score[a] })
}

// chunksOf are the words of a query as they were typed, each once.
func chunksOf(query string) (out []string) {
	separates := func(r rune) bool { return strings.ContainsRune(" \t\r\n/{}[]().,;:?&=+\"'", r) }
	for chunk := range strings.FieldsFuncSeq(query, separates) {
		if !slices.Contains(out, chunk) && len(words(chunk)) > 0 {
			out = append(out, chunk)
		}
	}
	return out
}

// chunk is what the operations weigh that have all words of a chunk, such as
// "betaGroups", or have it as one word, such as "TestFlight".
func (x *searchIndex) chunk(chunk string) []int {
	weight := make([]int, len(x.methods))
	parts := words(chunk)
	for i, part := range parts {
		one := make([]int, len(weight))
		x.weigh(part, one)
		for op := range weight {
			if i > 0 && weight[op] == 0 || one[op] == 0 {
				weight[op] = 0
			} else {
				weight[op] += one[op]
			}
		}
	}
	if len(parts) > 1 {
		x.weigh(squeezed(chunk), weight)
	}
	return weight
}

// shortestPrefix is how many letters the beginning of a word must have.
const shortestPrefix = 3

// weigh raises what the operations weigh that have a word: twice the weight if
// it is the very word, or its family, and once if a word begins like it.
func (x *searchIndex) weigh(word string, weight []int) {
	raise := func(term, times int) {
		for _, f := range x.found[term] {
			weight[f>>8] = max(weight[f>>8], int(f&0xff)*times)
		}
	}
	for _, w := range []string{word, singular(word), stem(word)} {
		at, exact := slices.BinarySearch(x.terms, w)
		if exact {
			raise(at, 2)
		}
		for ; len(w) >= shortestPrefix && at < len(x.terms) && strings.HasPrefix(x.terms[at], w); at++ {
			raise(at, 1)
		}
	}
}
