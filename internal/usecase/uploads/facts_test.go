package uploads

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

var update = flag.Bool("update", false, "write the table of docs/uploads.md anew")

// TestFacts compares the table of facts with Apple's document, as the descriptors
// tell it: every resource that has upload operations is there, with what the
// document says of it, and so it stands in docs/uploads.md.
func TestFacts(t *testing.T) {
	all, err := findKinds()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	protoregistry.GlobalTypes.RangeMessages(func(mt protoreflect.MessageType) bool {
		md := mt.Descriptor()
		r, _ := proto.GetExtension(md.Options(), optionsv1.E_Resource).(*optionsv1.Resource)
		if r.GetSchema() == "" || r.GetInline() || md.Fields().ByName("upload_operations") == nil {
			return true
		}
		n++
		if k := all.bySchema[r.GetSchema()]; k == nil {
			t.Errorf("%s has upload operations, and cannot be uploaded: add it to the .proto and to the facts", r.GetSchema())
		} else {
			compare(t, k, md)
		}
		return true
	})
	if n != len(facts) || n != len(all.list) || n < 27 {
		t.Errorf("%d resources in the descriptors, %d facts, %d kinds", n, len(facts), len(all.list))
	}
	const name = "../../../docs/uploads.md"
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(have), "-run TestFacts -update -->\n")
	_, after, ok2 := strings.Cut(rest, "<!-- end -->")
	if !ok || !ok2 {
		t.Fatal("docs/uploads.md has no place for the table")
	}
	want := before + "-run TestFacts -update -->\n\n" + table(all) + "\n<!-- end -->" + after
	if want == string(have) {
		return
	}
	if !*update {
		t.Fatal("the table of docs/uploads.md is stale: go test ./internal/usecase/uploads -run TestFacts -update")
	}
	if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestJobs: the rights of jobs are those that the descriptors tell.
func TestJobs(t *testing.T) {
	jobs, err := findJobs()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, job := range slices.Sorted(maps.Keys(jobs)) {
		for _, m := range jobs[job] {
			fmt.Fprintf(&b, "%s %s\n", job, m)
		}
	}
	if b.String() == jobsText {
		return
	}
	if !*update {
		t.Fatal("jobs.txt is stale: go test ./internal/usecase/uploads -run TestJobs -update")
	}
	if err := os.WriteFile("jobs.txt", []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// compare holds one row of the facts to the document.
func compare(t *testing.T, k *kind, md protoreflect.MessageDescriptor) {
	t.Helper()
	change := k.update.in.Descriptor().Fields()
	sum := noSum
	switch {
	case change.ByName("source_file_checksums") != nil:
		sum = structured
	case change.ByName("source_file_checksum") != nil:
		sum = md5Sum
	}
	if k.sum != sum {
		t.Errorf("%s: the document takes another checksum", k.schema)
	}
	var states []string
	for _, name := range []string{assetState, videoState, ownState} {
		if md.Fields().ByName(protoreflect.Name(name)) != nil {
			states = append(states, name)
		}
	}
	if !slices.Equal(states, k.state) {
		t.Errorf("%s: its states are %v, not %v", k.schema, states, k.state)
	}
	last := md.Fields().ByName(protoreflect.Name(k.state[len(k.state)-1]))
	enum := last.Enum()
	if enum == nil {
		enum = last.Message().Fields().ByName("state").Enum()
	}
	for _, word := range append([]string{failedWord, awaiting}, k.done...) {
		known := enum.Values().ByName(protoreflect.Name(word)) != nil
		if !known && !slices.Contains(prepared, word) { // of the words for what was taken, each type has some
			t.Errorf("%s: %s is no state of %s", k.schema, word, enum.FullName())
		}
	}
	var needs, either []string
	fields := k.target.Message().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
		switch {
		case o.GetRequired() && fd.Name() != "file_name" && fd.Name() != "file_size":
			needs = append(needs, string(fd.Name()))
		case o.GetRole() == optionsv1.Role_ROLE_RELATIONSHIP && !o.GetRequired() && fd.Name() != "placements":
			either = append(either, string(fd.Name()))
		}
	}
	if !slices.Equal(needs, k.needs) || !slices.Equal(either, k.either) {
		t.Errorf("%s: needs %v, or one of %v; not %v, %v", k.schema, needs, either, k.needs, k.either)
	}
	for _, name := range append(slices.Clone(needs), either...) {
		o, _ := proto.GetExtension(fields.ByName(protoreflect.Name(name)).Options(), optionsv1.E_Field).(*optionsv1.Field)
		if o.GetRole() == optionsv1.Role_ROLE_RELATIONSHIP && k.siblings[name] == nil {
			t.Errorf("%s: nothing reads the files of its %s", k.schema, name)
		}
	}
	if k.uploaded.Message().FullName() != md.FullName() || k.uploaded.Number() != k.target.Number() {
		t.Errorf("%s: the result has another message, or another number", k.schema)
	}
}

// table is that of docs/uploads.md.
func table(all *kinds) string {
	var b strings.Builder
	b.WriteString("| `type` | needs, beside `fileName` | checksum told to Apple | done | kept | most |\n| --- | --- | --- | --- | --- | --- |\n")
	b.WriteString("| `builds` | nothing | none | `COMPLETE`, or the build is `VALID` | no | |\n")
	for _, k := range all.list {
		var needs []string
		for _, name := range k.needs {
			needs = append(needs, "`"+k.target.Message().Fields().ByName(protoreflect.Name(name)).JSONName()+"`")
		}
		if len(k.either) > 0 {
			needs = append(needs, "`"+strings.Join(k.either, "` or `")+"`")
		}
		if len(needs) == 0 {
			needs = []string{"nothing"}
		}
		kept, most := "no", ""
		if k.kept {
			kept = "yes"
		}
		if k.most > 0 {
			most = fmt.Sprint(k.most)
		}
		done := "`" + k.done[0] + "`"
		if len(k.done) > 1 {
			done += " or later"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", k.typ, strings.Join(needs, ", "),
			[]string{"none", "MD5", "none: Apple refuses some"}[k.sum], done, kept, most)
	}
	return b.String()
}

// TestConditions: what each state of a file means.
func TestConditions(t *testing.T) {
	all, err := findKinds()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		schema string
		states map[string]string // by attribute
		word   string
		done   bool
		failed bool
	}{
		{"AppScreenshot", map[string]string{assetState: "AWAITING_UPLOAD"}, "AWAITING_UPLOAD", false, false},
		{"AppScreenshot", map[string]string{assetState: "UPLOAD_COMPLETE"}, "UPLOAD_COMPLETE", false, false},
		{"AppScreenshot", map[string]string{assetState: "COMPLETE"}, "COMPLETE", true, false},
		{"AppScreenshot", map[string]string{assetState: "FAILED"}, "FAILED", false, true},
		{"AppScreenshot", nil, "", false, false},
		{"AppPreview", map[string]string{assetState: "COMPLETE"}, "COMPLETE", false, false},
		{"AppPreview", map[string]string{assetState: "COMPLETE", videoState: "PROCESSING"}, "PROCESSING", false, false},
		{"AppPreview", map[string]string{assetState: "COMPLETE", videoState: "COMPLETE"}, "COMPLETE", true, false},
		{"AppPreview", map[string]string{videoState: "COMPLETE"}, "COMPLETE", true, false},
		{"AppPreview", map[string]string{assetState: "COMPLETE", videoState: "FAILED"}, "FAILED", false, true},
		{"InAppPurchaseImage", map[string]string{ownState: "UPLOAD_COMPLETE"}, "UPLOAD_COMPLETE", false, false},
		{"InAppPurchaseImage", map[string]string{ownState: "PREPARE_FOR_SUBMISSION"}, "PREPARE_FOR_SUBMISSION", true, false},
		{"InAppPurchaseImage", map[string]string{ownState: "APPROVED"}, "APPROVED", true, false},
		{"AppAssetLibraryImage", map[string]string{ownState: "COMPLETE"}, "COMPLETE", false, false},
		{"AppAssetLibraryImage", map[string]string{ownState: "PREPARE_FOR_SUBMISSION"}, "PREPARE_FOR_SUBMISSION", true, false},
		{"AppAssetLibraryVideo", map[string]string{ownState: "FAILED"}, "FAILED", false, true},
	} {
		k := all.bySchema[c.schema]
		r := (&uploadsv1.Uploaded{}).ProtoReflect().NewField(k.uploaded).Message()
		for name, word := range c.states {
			fd := r.Descriptor().Fields().ByName(protoreflect.Name(name))
			in, at := r, fd
			if fd.Message() != nil {
				in = r.Mutable(fd).Message()
				at = in.Descriptor().Fields().ByName("state")
			}
			in.Set(at, protoreflect.ValueOfEnum(at.Enum().Values().ByName(protoreflect.Name(word)).Number()))
		}
		if got := k.conditionOf(r); got.word != c.word || got.done != c.done || got.failed != c.failed {
			t.Errorf("%s %v: %+v", c.schema, c.states, got)
		}
	}
}
