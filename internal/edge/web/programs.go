package web

import (
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// node is a program for Node 18 and newer, without packages.
func (x *example) node(c caller) string {
	var b strings.Builder
	fmt.Fprintf(&b, "const answer = await fetch(%s", strconv.Quote(x.url(c.base)))
	var options []string
	if x.method.Verb != "GET" {
		options = append(options, fmt.Sprintf("  method: %q,", x.method.Verb))
	}
	var headers []string
	if c.token {
		headers = append(headers, `"Authorization": "Bearer " + process.env.`+tokenVariable)
	}
	if x.method.HasBody {
		headers = append(headers, `"Content-Type": "application/json"`)
	}
	if len(headers) > 0 {
		options = append(options, "  headers: {"+strings.Join(headers, ", ")+"},")
	}
	if x.method.HasBody {
		options = append(options, "  body: JSON.stringify("+strings.ReplaceAll(x.body, "\n", "\n  ")+"),")
	}
	if len(options) > 0 {
		b.WriteString(", {\n" + strings.Join(options, "\n") + "\n}")
	}
	b.WriteString(");\n")
	switch {
	case x.silent():
		b.WriteString("console.log(answer.status);\n")
	case x.watch:
		b.WriteString("for await (const part of answer.body) console.log(Buffer.from(part).toString());\n")
	case x.method.Stream:
		b.WriteString("console.log(answer.status, (await answer.arrayBuffer()).byteLength);\n")
	default:
		b.WriteString("console.log(answer.status, await answer.json());\n")
	}
	return b.String()
}

// python is a program for Python 3, without packages.
func (x *example) python(c caller) string {
	imports := []string{"urllib.request"}
	if !x.method.Stream && !x.watch && !x.silent() {
		imports = append(imports, "json")
	}
	arguments := []string{strconv.Quote(x.url(c.base))}
	if x.method.Verb != "GET" {
		arguments = append(arguments, fmt.Sprintf("method=%q", x.method.Verb))
	}
	var headers []string
	if c.token {
		imports = append(imports, "os")
		headers = append(headers, `"Authorization": "Bearer " + os.environ["`+tokenVariable+`"]`)
	}
	if x.method.HasBody {
		headers = append(headers, `"Content-Type": "application/json"`)
		arguments = append(arguments, "data=b'''"+x.body+"'''")
	}
	if len(headers) > 0 {
		arguments = append(arguments, "headers={"+strings.Join(headers, ", ")+"}")
	}
	slices.Sort(imports)
	if x.watch {
		return "import " + strings.Join(imports, ", ") + "\n\nrequest = urllib.request.Request(\n    " +
			strings.Join(arguments, ",\n    ") +
			",\n)\nwith urllib.request.urlopen(request) as answer:\n    for line in answer:\n        print(line.decode())\n"
	}
	read := ", json.load(answer)"
	switch {
	case x.method.Stream:
		read = ", len(answer.read())"
	case x.silent():
		read = ""
	}
	return "import " + strings.Join(
		imports,
		", ",
	) + "\n\nrequest = urllib.request.Request(\n    " + strings.Join(
		arguments,
		",\n    ",
	) +
		",\n)\nwith urllib.request.urlopen(request) as answer:\n    print(answer.status" + read + ")\n"
}

// goProgram is a program with the module's Go client.
func (x *example) goProgram(c caller) string {
	g := &goWriter{imports: map[string]string{}}
	md := x.method.Desc
	pkg := g.use(md.ParentFile())
	request := g.message(x.msg, 1)
	service := string(md.Parent().Name())
	options := "client.Plaintext()"
	if !strings.HasPrefix(c.base, "http://") {
		options = "client.TLS(nil)"
	}
	extra := ""
	if c.token {
		options += `, client.Token(os.Getenv("` + tokenVariable + `"))`
		extra = "\t\"os\"\n"
	}
	var b strings.Builder
	b.WriteString("package main\n\nimport (\n\t\"context\"\n\t\"fmt\"\n\t\"log\"\n" + extra + "\n")
	g.imports[modulePath+"/client"] = ""
	for _, name := range slices.Sorted(maps.Keys(g.imports)) {
		fmt.Fprintf(&b, "\t%s%q\n", g.imports[name], name)
	}
	fmt.Fprintf(
		&b,
		")\n\nfunc main() {\n\tconn, err := client.Dial(%q, %s)\n\tif err != nil {\n\t\tlog.Fatal(err)\n"+
			"\t}\n\tdefer conn.Close()\n",
		c.grpc,
		options,
	)
	fmt.Fprintf(
		&b,
		"\tanswer, err := %s.New%sClient(conn).%s(context.Background(), %s)\n",
		pkg,
		service,
		md.Name(),
		request,
	)
	b.WriteString("\tif err != nil {\n\t\tlog.Fatal(err)\n\t}\n")
	if x.method.Stream || x.watch {
		b.WriteString(
			"\tfor {\n\t\tpart, err := answer.Recv()\n\t\tif err != nil {\n" +
				"\t\t\tlog.Fatal(err) // io.EOF: that was all\n\t\t}\n\t\tfmt.Println(part)\n\t}\n}\n",
		)
	} else {
		b.WriteString("\tfmt.Println(answer)\n}\n")
	}
	return b.String()
}

const modulePath = "github.com/asc-gateway/asc-gateway"

// goWriter writes messages as Go's composite literals.
type goWriter struct {
	imports map[string]string // path → its name with a space, "" if it is the last element
}

// use imports the package of a file and returns its name.
func (g *goWriter) use(fd protoreflect.FileDescriptor) string {
	o, _ := fd.Options().(*descriptorpb.FileOptions)
	p, name, ok := strings.Cut(o.GetGoPackage(), ";")
	if !ok {
		name = path.Base(p)
	}
	if g.imports[p] = name + " "; name == path.Base(p) {
		g.imports[p] = ""
	}
	return name
}

// message is a literal of a message, its fields one a line.
func (g *goWriter) message(m protoreflect.Message, depth int) string {
	tab := strings.Repeat("\t", depth)
	var b strings.Builder
	fmt.Fprintf(&b, "&%s.%s{", g.use(m.Descriptor().ParentFile()), goTypeName(m.Descriptor()))
	fields := m.Descriptor().Fields()
	n := 0
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) || fd.IsMap() {
			continue
		}
		name, value := goName(string(fd.Name())), ""
		if one := fd.ContainingOneof(); one != nil && !one.IsSynthetic() {
			value = fmt.Sprintf("&%s.%s_%s{%s: %s}", g.use(m.Descriptor().ParentFile()), goTypeName(m.Descriptor()), name, name,
				g.element(fd, m.Get(fd), depth+1))
			name = goName(string(one.Name()))
		} else {
			value = g.field(fd, m.Get(fd), depth+1)
		}
		fmt.Fprintf(&b, "\n%s\t%s: %s,", tab, name, value)
		n++
	}
	if n > 0 {
		b.WriteString("\n" + tab)
	}
	b.WriteString("}")
	return b.String()
}

func (g *goWriter) field(fd protoreflect.FieldDescriptor, v protoreflect.Value, depth int) string {
	if !fd.IsList() {
		return g.single(fd, v, depth)
	}
	var items []string
	for i := range v.List().Len() {
		items = append(items, g.element(fd, v.List().Get(i), depth))
	}
	return "[]" + g.typeOf(fd) + "{" + strings.Join(items, ", ") + "}"
}

// single is a value that may be a pointer.
func (g *goWriter) single(fd protoreflect.FieldDescriptor, v protoreflect.Value, depth int) string {
	text := g.element(fd, v, depth)
	if !fd.HasPresence() || fd.Message() != nil {
		return text
	}
	if fd.Enum() != nil {
		return text + ".Enum()"
	}
	g.imports["google.golang.org/protobuf/proto"] = ""
	return "proto." + goName(g.typeOf(fd)) + "(" + text + ")"
}

func (g *goWriter) element(fd protoreflect.FieldDescriptor, v protoreflect.Value, depth int) string {
	switch {
	case fd.Message() != nil:
		return g.message(v.Message(), depth)
	case fd.Enum() != nil:
		ed := fd.Enum()
		prefix := goTypeName(ed)
		if parent, ok := ed.Parent().(protoreflect.MessageDescriptor); ok {
			prefix = goTypeName(parent)
		}
		return fmt.Sprintf("%s.%s_%s", g.use(ed.ParentFile()), prefix, ed.Values().ByNumber(v.Enum()).Name())
	case fd.Kind() == protoreflect.StringKind:
		return strconv.Quote(v.String())
	}
	return v.String()
}

// typeOf is the Go type of an element.
func (g *goWriter) typeOf(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.Message() != nil:
		return "*" + g.use(fd.Message().ParentFile()) + "." + goTypeName(fd.Message())
	case fd.Enum() != nil:
		return g.use(fd.Enum().ParentFile()) + "." + goTypeName(fd.Enum())
	case fd.Kind() == protoreflect.DoubleKind:
		return "float64"
	}
	return fd.Kind().String()
}

// goTypeName is the name that protoc-gen-go gives a type: with those around it.
func goTypeName(d protoreflect.Descriptor) string {
	name := string(d.FullName())
	return goName(strings.ReplaceAll(strings.TrimPrefix(name, string(d.ParentFile().Package())+"."), ".", "_"))
}

// goName is a name in Go's form, as protoc-gen-go makes it: each run of small
// letters begins with a capital one, and underscores before one go.
func goName(s string) string {
	lower := func(i int) bool { return i < len(s) && s[i] >= 'a' && s[i] <= 'z' }
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '_' && i > 0 && lower(i+1):
			continue
		case c == '_' || c >= '0' && c <= '9':
			b.WriteByte(c)
			continue
		case lower(i):
			c -= 'a' - 'A'
		}
		b.WriteByte(c)
		for ; lower(i + 1); i++ {
			b.WriteByte(s[i+1])
		}
	}
	return b.String()
}

// silent says that success has no body: Apple's 204 and 202.
func (x *example) silent() bool {
	status := x.method.Options.GetStatus()
	return status == http.StatusNoContent || status == http.StatusAccepted
}
