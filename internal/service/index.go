package service

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// indexText lists every operation, as the descriptors describe it: what the
// routes, the policy and the caches must know before the first call. The
// descriptors themselves take 30 MB when all of them are read; so each is read
// when its method is first called. A test holds the two together:
//
//	go test ./internal/service -run TestIndex -update
//
//go:embed index.tsv
var indexText string

// columns of a line of the index.
const columns = 10

// Entry is an operation as the index knows it.
type Entry struct {
	FullName  string // "/asc.testflight.v1.BuildsService/ListBuilds"
	Verb      string // "GET"
	Template  string // "/v1/builds/{id}"
	Operation string // Apple's id of it
	Shape     optionsv1.Shape
	Type      string   // JSON:API type of the primary data
	Status    int      // of success, at Apple's
	HasBody   bool     // a body is required
	Stream    bool     // the answer is a file
	Produces  []string // content types, the default first

	engine *Engine // nil: plans have no families
	once   sync.Once
	plan   *Method
	err    error
}

// Entries reads the index, sorted by name. types are the JSON:API types of all
// answers, sorted. It refuses options of a version that it does not know.
func Entries() (list []*Entry, types []string, err error) {
	head, rest, _ := strings.Cut(indexText, "\n")
	types = strings.Fields(strings.TrimPrefix(head, "types\t"))
	list = make([]*Entry, 0, strings.Count(rest, "\n"))
	for line := range strings.Lines(rest) {
		e, err := parseEntry(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, nil, fmt.Errorf("index.tsv: %w", err)
		}
		list = append(list, e)
	}
	return list, types, nil
}

func parseEntry(line string) (*Entry, error) {
	var c [columns]string
	for i := range c {
		c[i], line, _ = strings.Cut(line, "\t")
	}
	version, err := strconv.Atoi(c[0])
	if err != nil || version != optionsVersion {
		return nil, fmt.Errorf("%s: options of version %s, want %d", c[1], c[0], optionsVersion)
	}
	shape, err := strconv.Atoi(c[5])
	if err != nil {
		return nil, err
	}
	status, err := strconv.Atoi(c[7])
	if err != nil {
		return nil, err
	}
	e := &Entry{FullName: c[1], Verb: c[2], Template: c[3], Operation: c[4], Shape: optionsv1.Shape(shape),
		Type: c[6], Status: status, HasBody: strings.Contains(c[8], "b"), Stream: strings.Contains(c[8], "s")}
	if c[9] != "" {
		e.Produces = strings.Split(c[9], ",")
	}
	return e, nil
}

// line is a method as a line of the index.
func (m *Method) line() string {
	o, flags := m.Options, ""
	if m.HasBody {
		flags += "b"
	}
	if m.Stream {
		flags += "s"
	}
	return strings.Join([]string{strconv.Itoa(int(o.GetVersion())), m.FullName, m.Verb, m.Template, o.GetOperationId(),
		strconv.Itoa(
			int(o.GetShape()),
		), o.GetType(), strconv.Itoa(int(o.GetStatus())), flags, strings.Join(o.GetProduces(), ",")}, "\t")
}

// Service and Name are the parts of the full name.
func (e *Entry) Service() string { return e.FullName[1:strings.LastIndexByte(e.FullName, '/')] }

// Name is the method's own name.
func (e *Entry) Name() string { return e.FullName[strings.LastIndexByte(e.FullName, '/')+1:] }

// Area is the package's second part: "testflight".
func (e *Entry) Area() string { return areaOf(e.FullName) }

func areaOf(fullName string) string {
	_, rest, _ := strings.Cut(fullName, ".")
	area, _, _ := strings.Cut(rest, ".")
	return area
}

// HasID says whether the path names a resource.
func (e *Entry) HasID() bool { return strings.Contains(e.Template, "{id}") }

// Plan is the method's plan. It is compiled by the first call; later calls only
// read it.
func (e *Entry) Plan() (*Method, error) {
	e.once.Do(func() { e.plan, e.err = e.compile() })
	return e.plan, e.err
}

func (e *Entry) compile() (*Method, error) {
	md := e.Desc()
	if md == nil {
		return nil, fmt.Errorf("%s: has no descriptor", e.FullName)
	}
	names := &fieldNames{}
	if e.engine != nil {
		names = e.engine.names
	}
	m, err := compile(md, names)
	if err != nil {
		return nil, err
	}
	if m == nil || m.Verb != e.Verb || m.Template != e.Template {
		return nil, fmt.Errorf("%s: its descriptor is not that of the index", e.FullName)
	}
	if e.engine != nil {
		m.spare = e.engine.kinds.spareOf(m)
	}
	return m, nil
}

// Desc is the method's descriptor, nil if there is none. Asking for it reads the
// whole file that it stands in.
func (e *Entry) Desc() protoreflect.MethodDescriptor {
	name := strings.Replace(e.FullName[1:], "/", ".", 1)
	d, _ := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	md, _ := d.(protoreflect.MethodDescriptor)
	return md
}
