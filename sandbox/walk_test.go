//go:build conformance

package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// walkSteps is how many requests a walk sends unless ASC_WALK says another number.
const walkSteps = 50_000

// TestRandomWalk sends seeded random requests, valid ones and invalid ones, to a
// world that nobody resets. Every answer is judged by a third-party validator,
// none may be a 5xx, and after each thousand the whole world is looked through.
func TestRandomWalk(t *testing.T) {
	steps := walkSteps
	if n, err := strconv.Atoi(os.Getenv("ASC_WALK")); err == nil {
		steps = n
	}
	j := newJudge(t)
	w := walker{j: j, rng: rand.New(rand.NewPCG(1, uint64(steps)))}
	statuses := map[int]int{}
	for i := range steps {
		statuses[w.step()]++
		if i%1000 != 999 {
			continue
		}
		for _, wrong := range j.c.Check() {
			j.violations = append(j.violations, "world: "+wrong)
		}
		j.c.now = j.c.now.Add(time.Hour)
		if len(j.violations) > 200 {
			break
		}
	}
	j.report(t)
	t.Logf("%d exchanges, %d violations", j.exchanges, len(j.violations))
	for _, status := range slices.Sorted(maps.Keys(statuses)) {
		t.Logf("%d: %d", status, statuses[status])
	}
	if statuses[200] == 0 || statuses[201] == 0 || statuses[204] == 0 || statuses[409] == 0 || statuses[404] == 0 {
		t.Error("the walk does not reach all kinds of answers")
	}
}

// walker chooses what comes next.
type walker struct {
	j   *judge
	rng *rand.Rand
}

func (w *walker) step() int {
	ops := w.j.c.facts.Ops
	op := &ops[w.rng.IntN(len(ops))]
	if w.chance(0.5) { // writes are fewer than reads: rather one of them
		for op.Method == "GET" {
			op = &ops[w.rng.IntN(len(ops))]
		}
	}
	path := strings.Replace(op.Path, "{id}", w.id(op.root()), 1)
	if op.Method == "GET" {
		queries := w.j.queries(op)
		query := queries[w.rng.IntN(len(queries))]
		if w.chance(0.1) {
			query += "&" + w.pick(
				"limit=0",
				"limit=201",
				"cursor=%25",
				"sort=nonsense",
				"include=a.b",
				"fields[apps]=x",
				"filter[id]=,",
				"limit=1&limit=2",
			)
		}
		return w.j.exchange(op, path, query, nil, false)
	}
	if op.Shape == "deleteInstance" && w.chance(0.7) { // else little is left in the end
		path = strings.Replace(op.Path, "{id}", "none", 1)
	}
	return w.j.exchange(op, path, "", w.body(op, path), false)
}

func (w *walker) chance(p float64) bool { return w.rng.Float64() < p }

func (w *walker) pick(list ...string) string { return list[w.rng.IntN(len(list))] }

// id is mostly that of something.
func (w *walker) id(typ string) string {
	ids := w.j.c.IDs(typ)
	if len(ids) == 0 || w.chance(0.03) {
		return "no-such-id"
	}
	return ids[w.rng.IntN(len(ids))]
}

// body is one that the operation may take, or one with something wrong.
func (w *walker) body(op *factOp, path string) []byte {
	if op.Shape == "deleteInstance" {
		return nil
	}
	var doc map[string]any
	switch {
	case op.Body != nil && op.Shape != "updateToOneRelationship":
		data := w.resource(op.Body)
		if op.Shape == "updateInstance" {
			data["id"] = path[strings.LastIndex(path, "/")+1:]
		}
		doc = map[string]any{"data": data}
	case op.Many:
		doc = map[string]any{"data": identifiers(op.Type, []string{w.id(op.Type)})}
	default:
		doc = map[string]any{"data": identifiers(op.Type, []string{w.id(op.Type)})[0]}
	}
	if w.chance(0.3) {
		w.spoil(doc)
	}
	sent, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	if w.chance(0.02) {
		return sent[:w.rng.IntN(len(sent))]
	}
	return sent
}

// resource is one with the required members and some of the others, of values
// that vary.
func (w *walker) resource(t *factType) map[string]any {
	g := generator{f: w.j.c.facts, i: w.rng.IntN(1000), at: w.j.c.now, typ: t.Type}
	attrs, rels := map[string]any{}, map[string]any{}
	for _, a := range t.Attrs {
		if a.Required || w.chance(0.4) {
			attrs[a.Name] = g.value(a.Name, &a, 0)
		}
	}
	for _, r := range t.Rels {
		if !r.Required && !w.chance(0.4) {
			continue
		}
		list := identifiers(r.Type, []string{w.id(r.Type)})
		rels[r.Name] = map[string]any{"data": list[0]}
		if r.Many {
			rels[r.Name] = map[string]any{"data": list}
		}
	}
	return map[string]any{"type": t.Type, "attributes": attrs, "relationships": rels}
}

// spoil makes one thing wrong somewhere in a document.
func (w *walker) spoil(v any) {
	m, ok := v.(map[string]any)
	if list, is := v.([]any); is && len(list) > 0 {
		w.spoil(list[w.rng.IntN(len(list))])
		return
	}
	if !ok || len(m) == 0 {
		return
	}
	name := w.pick(sortedKeys(m)...)
	if _, inner := m[name].(map[string]any); inner && w.chance(0.8) {
		w.spoil(m[name])
		return
	}
	switch w.rng.IntN(6) {
	case 0:
		delete(m, name)
	case 1:
		m[name] = nil
	case 2:
		m[name] = []any{w.rng.IntN(10), "x"}
	case 3:
		m[name] = strings.Repeat("ü<😀", w.rng.IntN(3000))
	case 4:
		m[name] = fmt.Sprint("no such value ", w.rng.IntN(10))
	default:
		m["no such member"] = true
	}
}
