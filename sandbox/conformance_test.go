//go:build conformance

package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestAgainstApplesDocument calls every operation without a gateway in between:
// reads with every value of every parameter, writes with all and with only what
// is required. A third-party validator judges both directions.
//
// ASC_SPEC names Apple's document.
func TestAgainstApplesDocument(t *testing.T) {
	j := newJudge(t)
	operations := map[string]bool{}
	for i := range j.c.facts.Ops {
		op := &j.c.facts.Ops[i]
		operations[op.ID] = true
		if op.Method == http.MethodGet {
			for _, q := range j.queries(op) {
				j.call(op, q, nil)
			}
			continue
		}
		for _, all := range []bool{false, true} {
			j.c.Reset()
			j.call(op, "", j.body(op, all))
		}
	}
	j.report(t)
	t.Logf(
		"%d operations, %d exchanges, %d refused, %d violations",
		len(operations),
		j.exchanges,
		j.refused,
		len(j.violations),
	)
	if j.refused*4 > j.exchanges {
		t.Error("more than a quarter was refused: the tour hardly tours")
	}
}

// report tells each kind of violation once.
func (j *judge) report(t *testing.T) {
	slices.Sort(j.violations)
	for _, v := range slices.Compact(j.violations)[:min(40, len(slices.Compact(j.violations)))] {
		t.Error(v)
	}
}

// queries are: the required parameters alone, with everything to include, and
// with each value of each other parameter.
func (j *judge) queries(op *factOp) (list []string) {
	base := url.Values{}
	for _, p := range op.Query {
		if p.Required {
			base.Set(p.Name, j.value(op, &p))
		}
	}
	with := func(name, value string) {
		q := url.Values{}
		for k, v := range base {
			q[k] = v
		}
		q.Set(name, value)
		list = append(list, q.Encode())
	}
	list = append(list, base.Encode())
	for _, p := range op.Query {
		values := j.c.facts.enum(p.Enum)
		switch {
		case p.Name == "include" || strings.HasPrefix(p.Name, "fields["):
			if all := strings.Join(values, ","); len(all) > 0 && len(all) < 3500 {
				with(p.Name, all)
			}
		case p.Kind == "integer":
			with(p.Name, "1")
			with(p.Name, fmt.Sprint(p.Max))
		case len(values) > 0:
			for _, v := range values[:min(len(values), 40)] {
				with(p.Name, v)
			}
		default:
			with(p.Name, j.value(op, &p))
		}
	}
	return list
}

// value is a valid one of a parameter: where it can, one that something has.
func (j *judge) value(op *factOp, p *factParam) string {
	if values := j.c.facts.enum(p.Enum); len(values) > 0 {
		return values[0]
	}
	if p.Kind == "boolean" {
		return "true"
	}
	_, key, _ := strings.Cut(strings.TrimSuffix(p.Name, "]"), "[")
	switch key {
	case "planType":
		return monthly
	case "upfrontPricePointId":
		if ids := j.c.IDs("subscriptionPricePoints"); len(ids) > 0 {
			return ids[0]
		}
	case "territory":
		return "USA"
	}
	for _, o := range j.c.store.all(op.Type) {
		if have, _ := j.c.store.values(o, key); len(have) > 0 && !strings.Contains(have[0], ",") {
			return have[0]
		}
	}
	return "1"
}

// body is a valid one: with all members, or with those required.
func (j *judge) body(op *factOp, all bool) any {
	switch {
	case op.Body != nil && op.Shape != "updateToOneRelationship":
		data := j.resource(op.Body, all)
		if op.Shape == "updateInstance" {
			data["id"] = j.c.IDs(op.root())[0]
		}
		return map[string]any{"data": data}
	case op.Method == http.MethodDelete && op.Shape == "deleteInstance":
		return nil
	case op.Many:
		return map[string]any{"data": identifiers(op.Type, j.c.IDs(op.Type)[:2])}
	}
	return map[string]any{"data": identifiers(op.Type, j.c.IDs(op.Type))[0]}
}

func (j *judge) resource(t *factType, all bool) map[string]any {
	g := generator{f: j.c.facts, i: 100, at: j.c.now, typ: t.Type}
	attrs, rels := map[string]any{}, map[string]any{}
	for _, a := range t.Attrs {
		if a.Required || all {
			attrs[a.Name] = g.value(a.Name, &a, 0)
		}
	}
	for name, unused := range map[string]string{"locale": "fr-FR", "capabilityType": "MAPS", "accessType": "ONE_TIME_SNAPSHOT"} {
		if attrs[name] != nil {
			attrs[name] = unused
		}
	}
	for _, r := range t.Rels {
		if (r.Required || all) && len(j.c.IDs(r.Type)) > 0 {
			list := identifiers(r.Type, j.c.IDs(r.Type)[:1])
			rels[r.Name] = map[string]any{"data": list}
			if !r.Many {
				rels[r.Name] = map[string]any{"data": list[0]}
			}
		}
	}
	out := map[string]any{"type": t.Type}
	if len(attrs) > 0 {
		out["attributes"] = attrs
	}
	if len(rels) > 0 {
		out["relationships"] = rels
	}
	return out
}
