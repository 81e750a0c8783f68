package cli

import (
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// completeCall completes methods, fields and values from the descriptors.
func completeCall(d Deps) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		all := d.catalog()
		const quiet = cobra.ShellCompDirectiveNoFileComp
		if len(args) == 0 {
			return completeMethod(all, word), quiet
		}
		if isVerb(args[0]) && len(args) == 1 {
			return completePath(all, args[0], word), quiet
		}
		m, _, err := (&caller{deps: d}).method(args)
		if err != nil {
			return nil, quiet
		}
		if strings.HasPrefix(word, "@") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		words := completeField(m, word)
		return words, quiet | cobra.ShellCompDirectiveNoSpace
	}
}

// completeMethod are names that begin with a word, each with Apple's request.
func completeMethod(all *catalog, word string) (list []string) {
	names := all.names()
	for i, m := range all.methods {
		if strings.HasPrefix(strings.ToLower(names[i]), strings.ToLower(word)) {
			list = append(list, names[i]+"\t"+strings.TrimSpace(m.verb+" "+m.path))
		}
	}
	for _, v := range verbs {
		if strings.HasPrefix(v, word) {
			list = append(list, v+"\tby Apple's path")
		}
	}
	return list
}

func completePath(all *catalog, verb, word string) (list []string) {
	for _, m := range all.methods {
		if strings.EqualFold(m.verb, verb) && strings.HasPrefix(m.path, word) {
			list = append(list, m.path+"\t"+m.rpc())
		}
	}
	return list
}

// completeField are the fields that a word can become, or the values of one.
func completeField(m *method, word string) (list []string) {
	path, text, valued := strings.Cut(word, "=")
	md, before := m.input(), ""
	segments := strings.Split(path, ".")
	for i, s := range segments {
		fd := named(md, s)
		if last := i == len(segments)-1; last {
			if valued {
				return completeValue(m, fd, path, text)
			}
			return completeName(md, before, s)
		}
		if fd == nil || fd.Message() == nil {
			return nil
		}
		if fd.IsMap() {
			return completeKey(m, fd, before+s+".", strings.Join(segments[i+1:], "."), text, valued)
		}
		md, before = fd.Message(), before+s+"."
	}
	return nil
}

func completeName(md protoreflect.MessageDescriptor, before, word string) (list []string) {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if !strings.HasPrefix(string(fd.Name()), word) {
			continue
		}
		end := "="
		if fd.IsMap() || fd.Message() != nil && !wellKnown(fd.Message().FullName()) && only(fd.Message()) == nil {
			end = "."
		}
		list = append(list, before+string(fd.Name())+end)
	}
	return list
}

// completeValue are the values of a field: of an enum, a bool, include, sort or
// clear. What stands before the last comma stays.
func completeValue(m *method, fd protoreflect.FieldDescriptor, path, text string) (list []string) {
	if fd == nil {
		return nil
	}
	before, word := "", text
	if i := strings.LastIndexByte(text, ','); fd.IsList() && i >= 0 {
		before, word = text[:i+1], text[i+1:]
	}
	for _, v := range valuesOf(m, fd) {
		if strings.HasPrefix(v, word) {
			list = append(list, path+"="+before+v)
		}
	}
	return list
}

func valuesOf(m *method, fd protoreflect.FieldDescriptor) (list []string) {
	query := queryOf(m)
	switch role := optionsOf(fd).GetRole(); {
	case role == optionsv1.Role_ROLE_INCLUDE:
		return query.GetInclude()
	case role == optionsv1.Role_ROLE_SORT:
		return query.GetSort()
	case fd.Kind() == protoreflect.EnumKind:
		return enumNames(fd.Enum())
	case fd.Kind() == protoreflect.BoolKind:
		return []string{"true", "false"}
	case fd.Name() == "clear":
		fields := m.input().Fields()
		for i := range fields.Len() {
			if optionsOf(fields.Get(i)).GetNullable() {
				list = append(list, string(fields.Get(i).Name()))
			}
		}
	}
	return list
}

func queryOf(m *method) *optionsv1.Query {
	o, _ := proto.GetExtension(m.desc.Options(), optionsv1.E_Method).(*optionsv1.Method)
	return o.GetQuery()
}

// completeKey are the members of fields and limit.
func completeKey(m *method, fd protoreflect.FieldDescriptor, before, word, text string, valued bool) (list []string) {
	var keys []string
	switch optionsOf(fd).GetRole() {
	case optionsv1.Role_ROLE_FIELDS:
		for _, f := range queryOf(m).GetFieldsets() {
			if valued && f.GetType() == word {
				return completeNames(f, before+word+"=", text)
			}
			keys = append(keys, f.GetType())
		}
	case optionsv1.Role_ROLE_LIMIT:
		for _, l := range queryOf(m).GetRelationLimits() {
			keys = append(keys, l.GetName())
		}
	}
	for _, k := range keys {
		if !valued && strings.HasPrefix(k, word) {
			list = append(list, before+k+"=")
		}
	}
	return list
}

// completeNames are the attributes and relationships of a fieldset.
func completeNames(f *optionsv1.Fieldset, before, text string) (list []string) {
	names := f.GetNames()
	if f.GetResource() != "" {
		if m, err := newMessageNamed("asc.resources.v1." + f.GetResource()); err == nil {
			fields := m.ProtoReflect().Descriptor().Fields()
			for i := range fields.Len() {
				switch optionsOf(fields.Get(i)).GetRole() {
				case optionsv1.Role_ROLE_ATTRIBUTE, optionsv1.Role_ROLE_RELATIONSHIP:
					names = append(names, cmpOr(optionsOf(fields.Get(i)).GetName(), fields.Get(i).JSONName()))
				}
			}
		}
	}
	done, word := "", text
	if i := strings.LastIndexByte(text, ','); i >= 0 {
		done, word = text[:i+1], text[i+1:]
	}
	for _, n := range names {
		if strings.HasPrefix(n, word) {
			list = append(list, before+done+n)
		}
	}
	return list
}
