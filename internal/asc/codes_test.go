package asc

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

var update = flag.Bool("update", false, "write the table of docs/errors.md anew")

// object is an error of Apple's, as its fields say it.
func object(code, pointer string) string {
	return fmt.Sprintf(`{"id":"x","code":%q,"title":"T","detail":"of %s","source":{"pointer":%q}}`, code, code, pointer)
}

func dueTo(associated, path string, object string) string {
	return strings.TrimSuffix(object, "}") + fmt.Sprintf(`,"meta":{"associatedErrors":{%q:[%s]}}}`, path, associated)
}

// TestAllErrorsDecide: the answer's code is the same in whatever order its errors
// come.
func TestAllErrorsDecide(t *testing.T) {
	wrong := object("ENTITY_ERROR.RELATIONSHIP.INVALID", "/data/relationships/app")
	duplicate := object("ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE", "/data/attributes/versionString")
	field := object("ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/name")
	state := object("STATE_ERROR.ENTITY_STATE_INVALID", "")
	for _, c := range []struct {
		name   string
		status int
		errors []string
		kind   fault.Kind
		reason string
	}{
		{"a duplicate and what follows from it", 409, []string{wrong, duplicate}, fault.AlreadyExists, "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE"},
		{"a wrong field and a state", 409, []string{field, state}, fault.FailedPrecondition, "STATE_ERROR.ENTITY_STATE_INVALID"},
		{"all three", 409, []string{field, state, duplicate}, fault.AlreadyExists, "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE"},
		{"wrong fields alone", 409, []string{field, field}, fault.InvalidArgument, "ENTITY_ERROR.ATTRIBUTE.INVALID"},
		{"a role beside a state", 403, []string{state, object("FORBIDDEN_ERROR", "")}, fault.PermissionDenied, "FORBIDDEN_ERROR"},
		{"an agreement beside a field", 403, []string{field, object("FORBIDDEN_ERROR.PLA_NOT_ACCEPTED", "")}, fault.FailedPrecondition, "FORBIDDEN_ERROR.PLA_NOT_ACCEPTED"},
		{"an unknown code beside a field", 400, []string{field, object("SOMETHING_NEW", "")}, fault.InvalidArgument, ""},
		{"too many requests, whatever else", 429, []string{state, object("RATE_LIMIT_EXCEEDED", "")}, fault.ResourceExhausted, "RATE_LIMIT_EXCEEDED"},
		{"a parameter and a missing thing", 404, []string{object("NOT_FOUND", ""), object("PARAMETER_ERROR.INVALID", "")}, fault.NotFound, "NOT_FOUND"},
		{"what is due to another resource", 409, []string{dueTo(field, "/v1/appStoreVersions/7", wrong)}, fault.FailedPrecondition, "ENTITY_ERROR.RELATIONSHIP.INVALID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, list := range [][]string{c.errors, reversed(c.errors)} {
				client, _, _ := answers(t, body(c.status, "application/json", `{"errors":[`+strings.Join(list, ",")+`]}`))
				_, err := client.Do(t.Context(), post())
				f := fault.As(err)
				primary := f.Upstream.Errors[f.Upstream.Primary].Code
				if f.Kind != c.kind || c.reason != "" && f.Reason != c.reason || f.Reason != primary {
					t.Errorf("%v %s, want %v %s", f.Kind, f.Reason, c.kind, c.reason)
				}
			}
		})
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

func TestKindOfACode(t *testing.T) {
	for _, c := range []struct {
		code    string
		status  int
		pointer string
		kind    fault.Kind
	}{
		{"ENTITY_UNPROCESSABLE", 422, "", fault.FailedPrecondition},
		{"ENTITY_UNPROCESSABLE.ANOTHER_BUILD_IN_REVIEW", 422, "", fault.FailedPrecondition},
		{"ENTITY_UNPROCESSABLE.SOMETHING_NEW", 422, "/data/relationships/build", fault.FailedPrecondition},
		{"ENTITY_UNPROCESSABLE", 409, "", fault.FailedPrecondition},
		{"STATE_ERROR", 409, "", fault.FailedPrecondition},
		{"STATE_ERROR.ENTITY_STATE_INVALID", 422, "/data/attributes/x", fault.FailedPrecondition},
		{"A_NEW_STATE", 422, "", fault.FailedPrecondition},
		{"A_NEW_FIELD", 422, "/data/attributes/x", fault.InvalidArgument},
		{"A_NEW_CONFLICT", 409, "/data/attributes/x", fault.FailedPrecondition},
		{"ENTITY_ERROR", 409, "", fault.FailedPrecondition},
		{"ENTITY_ERROR", 400, "", fault.InvalidArgument},
		{"ENTITY_ERROR.ATTRIBUTE.INVALID", 409, "", fault.InvalidArgument},
		{"ENTITY_ERROR.ATTRIBUTE.INVALID.TOO_LONG", 409, "/data/attributes/notes", fault.InvalidArgument},
		{"ENTITY_ERROR.ATTRIBUTE.INVALID.INVALID_STATE", 409, "/data/attributes/name", fault.FailedPrecondition},
		{"ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE.DIFFERENT_ACCOUNT", 409, "/data/attributes/name", fault.AlreadyExists},
		{"ENTITY_ERROR.RELATIONSHIP.INVALID.DUPLICATE", 409, "", fault.AlreadyExists},
		{"ENTITY_ERROR.RELATIONSHIP.REQUIRED", 409, "/data/relationships/app", fault.InvalidArgument},
		{"ENTITY_ERROR.RELATIONSHIP.REQUIRED", 409, "", fault.FailedPrecondition},
		{"ENTITY_ERROR.INCLUDED.INVALID_ID", 409, "/included/0/id", fault.InvalidArgument},
		{"PARAMETER_ERROR.DUPLICATE", 400, "", fault.InvalidArgument},
		{"FORBIDDEN", 403, "", fault.PermissionDenied},
		{"", 410, "", fault.NotFound},
		{"", 500, "", fault.Unavailable},
	} {
		if got := kindOf(&fault.APIError{Code: c.code, Pointer: c.pointer}, c.status); got != c.kind {
			t.Errorf("%d %s at %q: %v, want %v", c.status, c.code, c.pointer, got, c.kind)
		}
	}
}

// TestTheTableOfCodes: rows are sorted by family, have a source, and none hides
// another; docs/errors.md shows them all.
func TestTheTableOfCodes(t *testing.T) {
	const from, to = "<!-- codes: go test ./internal/asc -run TestTheTableOfCodes -update -->\n", "<!-- end of codes -->"
	var table strings.Builder
	table.WriteString("| code begins with | status | becomes | seen |\n| --- | --- | --- | --- |\n")
	seen := map[string]bool{}
	for _, r := range codeRows {
		key := fmt.Sprint(r.prefix, r.status, r.noPointer)
		if seen[key] || r.source == "" {
			t.Errorf("%s: a second row, or no source", key)
		}
		seen[key] = true
		status, name := "any", "`"+r.prefix+"`"
		if r.status != 0 {
			status = fmt.Sprint(r.status)
		}
		if r.noPointer {
			status += ", no field named"
		}
		if r.prefix == "" {
			name = "(any other)"
		}
		fmt.Fprintf(&table, "| %s | %s | `%v` | %s |\n", name, status, r.kind, r.source)
	}
	const file = "../../docs/errors.md"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), from)
	is, after, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatal("docs/errors.md has no place for the table")
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+from+table.String()+to+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if is != table.String() {
		t.Error("docs/errors.md shows another table: go test ./internal/asc -run TestTheTableOfCodes -update")
	}
}

// TestRecordedCodesHaveARow: every code of the recordings, where they are.
func TestRecordedCodesHaveARow(t *testing.T) {
	n := 0
	for _, pattern := range []string{"../../../shared/fixtures/*.json", "../../../shared/cases/*/rules.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var any any
			if err := json.Unmarshal(b, &any); err != nil {
				continue
			}
			for _, code := range codesIn(any) {
				n++
				covers := func(r codeRow) bool { return r.prefix != "" && strings.HasPrefix(code, r.prefix) }
				if !slices.ContainsFunc(codeRows, covers) {
					t.Errorf("%s: %s has no row", file, code)
				}
			}
		}
	}
	t.Logf("%d codes", n)
}

// codesIn are the codes of all errors in a JSON value.
func codesIn(v any) (codes []string) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			codes = append(codes, codesIn(e)...)
		}
	case map[string]any:
		if list, ok := x["errors"].([]any); ok {
			for _, e := range list {
				if o, ok := e.(map[string]any); ok {
					code, _ := o["code"].(string)
					codes = append(codes, code)
				}
			}
		}
		for _, e := range x {
			codes = append(codes, codesIn(e)...)
		}
	}
	return codes
}

// TestAnEmptySuccessOfAWrite is left to the caller to judge; that of a read is
// no answer.
func TestAnEmptySuccessOfAWrite(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent} {
		for name, text := range map[string]string{"nothing": "", "a line end": "\r\n"} {
			if status == http.StatusNoContent && text != "" {
				continue
			}
			client, _, calls := answers(t, body(status, "application/json", text))
			if res, err := client.Do(t.Context(), post()); err != nil || res.Status != status || calls.Load() != 1 {
				t.Errorf("%d with %s: %v", status, name, err)
			}
		}
	}
	client, _, _ := answers(t, body(200, "application/json", ""), ok)
	if res, err := client.Do(t.Context(), get()); err != nil || res.Attempts != 2 {
		t.Errorf("a read: %v", err)
	}
	client, _, _ = answers(t, body(200, "text/html", "<html>sign in</html>"))
	if _, err := client.Do(t.Context(), post()); fault.As(err).Reason != fault.ReasonOutcomeUnknown {
		t.Errorf("a page of a proxy: %v", err)
	}
}
