package files

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

const (
	// logText is a field that is a file itself: the text of a crash log.
	logText = "log_text"
	// deepest is how many messages a URL is within: previewFrameImage.image.templateUrl.
	deepest = 3
)

// kind is a resource that can be read by its id.
type kind struct {
	method  string // full name, with its leading slash
	in, out protoreflect.MessageType
	data    protoreflect.FieldDescriptor            // of the answer: the resource
	written map[protoreflect.Name]bool              // fields that a team writes
	files   map[string]protoreflect.FieldDescriptor // by Apple's name and by the proto's: fields with URLs
	version string                                  // of the API: v2
}

// findKinds looks through all of Apple's operations.
func findKinds() (map[string][]*kind, error) {
	byType := map[string][]*kind{}
	written := map[string]map[protoreflect.Name]bool{} // by type
	var failed error
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(file.Package()), "asc.") {
			return true
		}
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				if failed = note(methods.Get(j), byType, written); failed != nil {
					return false
				}
			}
		}
		return true
	})
	for typ, list := range byType {
		for _, k := range list {
			k.written = written[typ]
		}
		slices.SortFunc(list, func(a, b *kind) int { return -cmp.Compare(a.version, b.version) })
	}
	return byType, failed
}

// note notes a read of one resource, and what creates and updates write.
func note(
	md protoreflect.MethodDescriptor, byType map[string][]*kind, written map[string]map[protoreflect.Name]bool,
) error {
	o, _ := proto.GetExtension(md.Options(), optionsv1.E_Method).(*optionsv1.Method)
	switch o.GetShape() {
	case optionsv1.Shape_SHAPE_CREATE_INSTANCE, optionsv1.Shape_SHAPE_UPDATE_INSTANCE:
		if written[o.GetType()] == nil {
			written[o.GetType()] = map[protoreflect.Name]bool{}
		}
		for i := range md.Input().Fields().Len() {
			written[o.GetType()][md.Input().Fields().Get(i).Name()] = true
		}
	case optionsv1.Shape_SHAPE_GET_INSTANCE:
		k, err := newKind(md)
		if err != nil || k == nil {
			return err
		}
		byType[o.GetType()] = append(byType[o.GetType()], k)
	}
	return nil
}

func newKind(md protoreflect.MethodDescriptor) (*kind, error) {
	k := &kind{method: "/" + string(md.Parent().FullName()) + "/" + string(md.Name()),
		files: map[string]protoreflect.FieldDescriptor{}}
	for i := range md.Output().Fields().Len() {
		if fd := md.Output().Fields().Get(i); role(fd) == optionsv1.Role_ROLE_DATA && fd.Message() != nil &&
			!fd.IsList() {
			k.data = fd
		}
	}
	if k.data == nil { // a file of Apple's, or measured values
		return nil, nil
	}
	var err error
	if k.in, err = protoregistry.GlobalTypes.FindMessageByName(md.Input().FullName()); err != nil {
		return nil, err
	}
	if k.out, err = protoregistry.GlobalTypes.FindMessageByName(md.Output().FullName()); err != nil {
		return nil, err
	}
	rule, _ := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
	k.version, _, _ = strings.Cut(strings.TrimPrefix(rule.GetGet(), "/"), "/")
	fields := k.data.Message().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); role(fd) == optionsv1.Role_ROLE_ATTRIBUTE &&
			(fd.Name() == logText || leads(fd, deepest)) {
			k.files[string(fd.Name())], k.files[fd.JSONName()] = fd, fd
		}
	}
	return k, nil
}

func role(fd protoreflect.FieldDescriptor) optionsv1.Role {
	o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
	return o.GetRole()
}

// leads says whether a field holds a URL that can be read. Those of uploads are
// written to.
func leads(fd protoreflect.FieldDescriptor, deep int) bool {
	if fd.IsMap() {
		return false
	}
	if fd.Kind() == protoreflect.StringKind {
		o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
		return o.GetFormat() == optionsv1.Format_FORMAT_URI || strings.HasSuffix("_"+string(fd.Name()), "_url")
	}
	return fd.Message() != nil && fd.Message().Name() != "UploadOperation" && deep > 0 &&
		inside(fd.Message(), deep) != nil
}

// inside is the field of a message that leads to a URL, nil if there is none.
func inside(md protoreflect.MessageDescriptor, deep int) protoreflect.FieldDescriptor {
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); !fd.IsList() && leads(fd, deep-1) {
			return fd
		}
	}
	return nil
}

// find finds the read of a resource, and the field.
func (s *Service) find(req *filesv1.DownloadFileRequest) (*kind, protoreflect.FieldDescriptor, error) {
	if req.GetIndex() < 0 {
		return nil, nil, fault.Invalid("index", "must not be negative")
	}
	all, err := kinds()
	if err != nil {
		return nil, nil, err
	}
	list := all[req.GetType()]
	if len(list) == 0 {
		return nil, nil, fault.New(
			fault.InvalidArgument,
			ReasonUnnamed,
			"Apple has no resource of this type to read by its id",
		)
	}
	for _, k := range list {
		if fd := k.files[req.GetField()]; fd != nil && k.written[fd.Name()] {
			return nil, nil, fault.New(fault.InvalidArgument, ReasonForeign,
				"the URL in this field is not Apple's: whoever edits the resource wrote it")
		} else if fd != nil {
			return k, fd, nil
		}
	}
	var names []string
	for name, fd := range list[0].files {
		if name == fd.JSONName() && !list[0].written[fd.Name()] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	told := "no field of this type does"
	if len(names) > 0 {
		told = "these do: " + strings.Join(names, ", ")
	}
	return nil, nil, fault.New(fault.InvalidArgument, ReasonUnnamed, "this field holds no URL of a file; %s", told)
}

// located is what a field of a resource holds: a URL, or the text of a log.
func located(m protoreflect.Message, fd protoreflect.FieldDescriptor, index int) (string, error) {
	none := fault.New(fault.FailedPrecondition, ReasonNoFile, "Apple gives no file in this field, or not yet")
	v := m.Get(fd)
	if fd.IsList() {
		if n := v.List().Len(); index >= n && n > 0 {
			return "", fault.Invalid("index", "the field holds %d, the first is 0", n)
		} else if n == 0 {
			return "", none
		}
		v = v.List().Get(index)
	} else if index > 0 {
		return "", fault.Invalid("index", "the field holds no list")
	}
	for deep := deepest; fd.Message() != nil; deep-- {
		if m = v.Message(); !m.IsValid() {
			return "", none
		}
		fd = inside(m.Descriptor(), deep)
		v = m.Get(fd)
	}
	if v.String() == "" {
		return "", none
	}
	return filled(v.String(), m), nil
}

// filled fills Apple's template of an image, …/{w}x{h}bb.{f}, with the size that the
// image has.
func filled(link string, image protoreflect.Message) string {
	for place, name := range map[string]protoreflect.Name{"{w}": "width", "{h}": "height"} {
		fd := image.Descriptor().Fields().ByName(name)
		if fd != nil && fd.Kind() == protoreflect.Int32Kind {
			link = strings.ReplaceAll(link, place, strconv.FormatInt(image.Get(fd).Int(), 10))
		}
	}
	return strings.ReplaceAll(link, "{f}", "png")
}
