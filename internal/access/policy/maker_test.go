package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// maker writes policies at random: right ones, and such with an order of keys
// that is refused.
type maker struct{ *rand.Rand }

const oneMethod = "asc.testflight.v1.BuildsService/ListBuilds"

func (g *maker) of(list ...string) string { return list[g.IntN(len(list))] }

// some is a list of one to three words, as a block or in brackets.
func (g *maker) some(indent string, words ...string) string {
	var list []string
	for range 1 + g.IntN(3) {
		w := g.of(words...)
		if strings.ContainsAny(w, "*:") || g.IntN(2) == 0 {
			w = fmt.Sprintf("%q", w)
		}
		list = append(list, w)
	}
	if indent == "" || g.IntN(2) == 0 {
		return " [" + strings.Join(list, ", ") + "]"
	}
	return "\n" + indent + "- " + strings.Join(list, "\n"+indent+"- ")
}

func (g *maker) policy() string {
	sets := "sets:\n  own:" + g.some("    ", "read", "destructive", "write")
	parts := []string{"version: 1", "mode: " + g.of("enforce", "enforce", "audit"), sets, g.rules()}
	if g.IntN(2) == 0 {
		parts = append(parts, "tests:\n- {principal: 'token:none', method: "+oneMethod+", expect: deny}")
	}
	if g.IntN(4) == 0 {
		g.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	return strings.Join(parts, "\n") + g.of("\n", "\n", "", "\n...\n")
}

func (g *maker) rules() string {
	out := "rules:"
	for i := range 1 + g.IntN(3) {
		flow := g.IntN(4) == 0
		keys := g.rule(i, flow)
		if flow {
			out += "\n- {" + strings.Join(keys, ", ") + "}"
		} else {
			out += "\n- " + strings.Join(keys, "\n  ")
		}
	}
	return out
}

func (g *maker) rule(i int, flow bool) []string {
	indent := "    "
	if flow {
		indent = ""
	}
	who := func() string { return g.some(indent, "token:ci", "token:ci2", "token:*", "spiffe://td/a/**") }
	before := []string{
		fmt.Sprintf("name: rule%d", i), "principals:" + who(),
		"methods:" + g.some(indent, "read", "write", "own", "asc.testflight.v1.B*/*", oneMethod),
		"teams:" + g.some(indent, "main", "main2", "*"),
	}
	if g.IntN(2) == 0 {
		before = append(before, "except:"+g.some(indent, "destructive", "own", "asc.testflight.v1.BuildsService/*"))
	}
	if g.IntN(3) == 0 && !flow {
		before = append(before, "claims:\n    a:"+g.some("    ", "7", "77", "b"))
	}
	if g.IntN(3) == 0 {
		before = append(before, "priority: "+g.of("batch", "interactive", "default"))
	}
	if g.IntN(3) == 0 {
		before = append(before, fmt.Sprintf("hour: %d", 1+g.IntN(3600)))
	}
	if g.IntN(5) > 0 {
		g.Shuffle(len(before), func(i, j int) { before[i], before[j] = before[j], before[i] })
	}
	keys := append(before, "apps:"+g.of(" all", g.some(indent, "15", "1500004000", "15000")))
	if g.IntN(3) == 0 {
		keys = append(keys, "org:"+g.of(" true", " false", g.some(indent, "read", "own", oneMethod)))
	}
	if g.IntN(3) == 0 {
		keys = append(keys, fmt.Sprintf("weight: %d", 1+g.IntN(300)))
	}
	if g.IntN(4) == 0 { // one that should stand before apps
		i := g.IntN(len(keys))
		moved := keys[i]
		keys = append(slices.Delete(keys, i, i+1), moved)
	}
	return keys
}
