package uploads

import (
	"slices"
	"strings"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// condition is how a file stands.
type condition struct {
	word   string // Apple's
	done   bool
	failed bool
	errors []string // why it failed, in Apple's words
}

// conditionOf reads the state of a file's resource.
func (k *kind) conditionOf(r protoreflect.Message) (c condition) {
	decided := false
	for i, name := range k.state {
		word, errs := stateOf(r, protoreflect.Name(name))
		last := i == len(k.state)-1
		if word == "" {
			continue
		}
		if word == failedWord {
			return condition{word: word, failed: true, errors: errs}
		}
		if c.word == "" || last || word == awaiting {
			c.word = word
		}
		if last {
			decided = slices.Contains(k.done, word)
		} else if word != complete {
			return c
		}
	}
	c.done = decided
	return c
}

// stateOf is one attribute that tells a state, "" if it is not told.
func stateOf(r protoreflect.Message, name protoreflect.Name) (word string, errs []string) {
	fd := r.Descriptor().Fields().ByName(name)
	if fd == nil || !r.Has(fd) {
		return "", nil
	}
	if fd.Enum() != nil {
		return enumWord(r, fd), details(r, "state_details")
	}
	in := r.Get(fd).Message()
	if sd := in.Descriptor().Fields().ByName("state"); sd != nil && in.Has(sd) {
		word = enumWord(in, sd)
	}
	return word, details(in, "errors")
}

func enumWord(m protoreflect.Message, fd protoreflect.FieldDescriptor) string {
	if v := fd.Enum().Values().ByNumber(m.Get(fd).Enum()); v != nil {
		return string(v.Name())
	}
	return ""
}

// details are what Apple says of a state, each as its code and its sentence.
func details(m protoreflect.Message, name protoreflect.Name) (out []string) {
	fd := m.Descriptor().Fields().ByName(name)
	if fd == nil || !fd.IsList() {
		return nil
	}
	for i := range m.Get(fd).List().Len() {
		d := m.Get(fd).List().Get(i).Message()
		code, description := text(d, "code"), text(d, "description")
		if description == "" {
			description = text(d, "message")
		}
		out = append(out, strings.TrimSpace(code+" "+description))
	}
	return out
}

// failure is the error of a file that Apple refuses.
func (c condition) failure() error {
	why := strings.Join(c.errors, "; ")
	if why == "" {
		why = "Apple does not say why"
	}
	return failed(ReasonFailed, "Apple refused the file: %s", why)
}

// result puts a resource where its type belongs.
func (k *kind) result(r protoreflect.Message) *uploadsv1.Uploaded {
	u := &uploadsv1.Uploaded{}
	u.ProtoReflect().Set(k.uploaded, protoreflect.ValueOfMessage(r))
	return u
}
