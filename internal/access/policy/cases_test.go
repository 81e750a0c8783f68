package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
)

// TestCheck holds what a policy is refused for whose own tests fail.
func TestCheck(t *testing.T) {
	known := few(t)
	const builds = "asc.testflight.v1.BuildsService/ListBuilds"
	for name, c := range map[string]struct{ test, want string }{
		"it passes": {"{name: n, principal: 'token:ci', method: " + builds + ", team: main, app: '1', expect: allow, rule: ci}", ""},
		"denied, but allow is wanted": {"{name: n, principal: 'token:x', method: " + builds + ", team: main, expect: allow}",
			`policy.yaml:6: test "n" fails: want allow, got deny: no rule names the caller`},
		"allowed, but deny is wanted": {"{name: n, principal: 'token:ci', method: " + builds + ", team: main, app: '1', expect: deny}",
			`policy.yaml:6: test "n" fails: want deny, got allow by ci, apps 1`},
		"another app": {"{name: n, principal: 'token:ci', method: " + builds + ", team: main, app: '2', expect: allow}",
			`policy.yaml:6: test "n" fails: want allow, got deny: kept to the apps 1`},
		"another rule": {"{name: n, principal: 'token:admin', method: " + builds + ", team: main, expect: allow, rule: ci}",
			`policy.yaml:6: test "n" fails: want allow by ci, got allow by admin`},
		"without a name": {"{principal: 'token:ci', method: " + builds + ", team: other, expect: allow}", `policy.yaml:6: test "" fails`},
	} {
		for _, mode := range []string{Enforce, Audit} { // audit allows everything, but no test says so
			text := "version: 1\nmode: " + mode + "\nrules: [{name: ci, principals: ['token:ci'], methods: [read], " +
				"teams: [main], apps: ['1']},\n {name: admin, principals: ['token:admin'], methods: [read], " +
				"teams: [main], apps: all}]\ntests:\n- " + c.test + "\n"
			p, err := Parse("policy.yaml", []byte(text), known)
			if err != nil {
				t.Fatal(err)
			}
			err = p.Check()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
				t.Errorf("%s, mode %s: got %v, want %s", name, mode, err, c.want)
			}
		}
	}
}

func TestExplainOfNothing(t *testing.T) {
	p := parse(t, twoRules)
	_, err := p.Explain(&access.Principal{ID: "token:ci"}, "/asc.testflight.v1.BuildsService/ListBuild", "main", "")
	if err == nil || !strings.Contains(err.Error(), "did you mean asc.testflight.v1.BuildsService/ListBuilds?") {
		t.Errorf("got %v", err)
	}
}

// TestALargePolicyIsParsedInTime holds the bounds of what one file can cost.
func TestALargePolicyIsParsedInTime(t *testing.T) {
	known := methods(t)
	list := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	rule := func(methods string) string {
		return "version: 1\nrules: [{name: a, principals: ['token:x'], teams: [t], apps: all, methods: [" + methods + "]}]\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"one pattern, many times":     {rule(strings.Repeat("asc.*.v1.*/*,", 75_000)), ""},
		"patterns that match none":    {rule(list("asc.testflight.v1.BuildsService/Li%d,", 25_000)), "p:2: "},
		"different good patterns":     {rule(strings.TrimSuffix(distinct(3_000), ",")), "more than 2000 different patterns"},
		"ten times the rules":         {"version: 1\nrules: [" + list("{name: r%d, principals: ['token:x'], teams: [t], apps: all, methods: [read]},", 10_000) + "]\n", "p:1: rules: more than 1000"},
		"many rules, all of them bad": {"version: 1\nrules: [" + strings.Repeat("{methods: [x]},", 60_000) + "]\n", "p:"},
	} {
		begun := time.Now()
		_, err := Parse("p", []byte(c.text), known)
		took := time.Since(begun)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.200v, want %q", name, err, c.want)
		}
		if err != nil && strings.Count(err.Error(), "\n") >= maxProblems {
			t.Errorf("%s: %d lines of problems", name, strings.Count(err.Error(), "\n"))
		}
		t.Logf("%s: %d bytes in %v", name, len(c.text), took)
		if took > 30*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

// distinct are patterns that match something, each written in another way.
func distinct(n int) string {
	var b strings.Builder
	for i := range n {
		star := make([]byte, 0, 32)
		for _, c := range []byte("testfligh") { // a star more or less changes nothing
			star = append(star, c)
			if i&1 == 1 {
				star = append(star, '*')
			}
			i >>= 1
		}
		fmt.Fprintf(&b, "asc.%st%s.v1.*/*,", star, strings.Repeat("*", i))
	}
	return b.String()
}
