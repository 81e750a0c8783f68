package apispec

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Decision is one thing that a person decides in an upgrade: a line of a file,
// with a proposal.
type Decision struct {
	File   string // below the root: "spec/areas.yaml"
	Under  string // the line that it goes below, as it stands in the file
	Line   string // ready to paste; for a removal, the line that goes
	Why    string // what speaks for the proposal
	Remove bool   // the line goes: of a patch, all of it
}

// Decisions is all that an upgrade asks of a person.
type Decisions struct {
	From, To string // versions of the document
	Open     []Decision
	Problems Problems // what no line can settle: shapes that cannot be read
	Owned    []string // new types that count as an app's own
	Sets     []string // new methods that change things, with the sets that they are in
}

const (
	areasFile   = "spec/areas.yaml"
	patchesFile = "spec/patches.yaml"
	typesFile   = "internal/access/restrict/types.go"
)

// Decide compares the document with the lock and with what people have decided
// so far, and lists everything that is open. Nothing is written.
func (g Generation) Decide() (*Decisions, error) {
	in, err := g.inputs()
	if err != nil {
		return nil, err
	}
	patches := *in.patches
	patches.Document = "" // what is idle is to be decided, not an error
	doc, _, err := ReadFile(g.Spec, &patches)
	if err != nil {
		return nil, err
	}
	d := &Decisions{From: in.lock.Version, To: doc.Version}
	d.patches(doc)
	areas := d.areas(doc, in)
	b := newBuilder(doc, areas, in.lock)
	d.clashes(b)
	if _, err := b.build(); err != nil {
		d.Problems = b.problems
	}
	source, err := os.ReadFile(filepath.Join(g.Root, typesFile))
	if err == nil {
		err = d.restriction(b, string(source))
	}
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	d.sets(b)
	return d, nil
}

// patches proposes to drop what Apple has made unnecessary.
func (d *Decisions) patches(doc *Document) {
	whole := map[string]bool{}
	for _, x := range doc.idle {
		if x.whole && !whole[x.name] {
			whole[x.name] = true
			d.Open = append(d.Open, Decision{File: patchesFile, Line: "  - name: " + x.name,
				Why: "no longer needed: " + x.why, Remove: true})
		} else if !x.whole {
			d.Open = append(d.Open, Decision{File: patchesFile, Line: x.at,
				Why: "patch " + x.name + ": this place is no longer needed: " + x.why, Remove: true})
		}
	}
}

// areas proposes an area for every new tag, and returns the areas with these.
func (d *Decisions) areas(doc *Document, in *inputs) *Areas {
	areaOf := map[string]string{}
	out := &Areas{Areas: map[string][]string{}, Names: maps.Clone(in.areas.Names)}
	for area, tags := range in.areas.Areas {
		out.Areas[area] = slices.Clone(tags)
		for _, tag := range tags {
			areaOf[tag] = area
		}
	}
	if out.Names == nil {
		out.Names = map[string]string{}
	}
	for _, op := range doc.Operations {
		if len(op.Tags) == 0 || areaOf[op.Tags[0]] != "" || in.lock.rpc(op.ID) != nil {
			continue
		}
		tag := op.Tags[0]
		area, like := nearestArea(tag, in.areas)
		areaOf[tag] = area
		out.Areas[area] = append(out.Areas[area], tag)
		d.Open = append(d.Open, Decision{File: areasFile, Under: "  " + area + ":", Line: "    - " + tag,
			Why: "new tag; " + like})
	}
	return out
}

// nearestArea is the area of those known tags that share the most words with a
// new one.
func nearestArea(tag string, areas *Areas) (area, why string) {
	words := strings.Split(snake(lowerFirst(tag)), "_")
	best, votes := 0, map[string]int{}
	for name, tags := range areas.Areas {
		for _, known := range tags {
			n := 0
			for i, w := range strings.Split(snake(lowerFirst(known)), "_") {
				if i >= len(words) || singular(words[i]) != singular(w) {
					break
				}
				n++
			}
			if n > best {
				best, votes = n, map[string]int{}
			}
			if n == best {
				votes[name]++
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(votes), func(a, b string) int {
		return cmp.Or(votes[b]-votes[a], cmp.Compare(a, b))
	})
	if len(names) == 0 {
		return "metadata", "there is no area yet"
	}
	var said []string
	for _, n := range names[:min(len(names), 3)] {
		said = append(said, fmt.Sprintf("%s %d", n, votes[n]))
	}
	if best == 0 {
		return names[0], "no tag begins like it; most tags: " + strings.Join(said, ", ")
	}
	return names[0], fmt.Sprintf("tags that begin with its first %d words: %s", best, strings.Join(said, ", "))
}

// clashes proposes names for operations whose name is taken, and gives them to
// the builder.
func (d *Decisions) clashes(b *builder) {
	for range 3 {
		b.clashed = nil
		names := b.named()
		taken := map[string]bool{}
		for _, n := range names {
			taken[n.pkg+"."+n.rpc.Name] = true
		}
		if len(b.clashed) == 0 {
			break
		}
		for _, c := range b.clashed {
			name := verbOf(c.rpc.Name) + c.noun + "Related" + pascal(c.rel)
			for taken[c.pkg+"."+name] {
				name += "Of" + pascal(c.Tags[0])
			}
			taken[c.pkg+"."+name] = true
			b.names[c.ID] = name
			d.Open = append(d.Open, Decision{File: areasFile, Under: "names:", Line: "  " + c.ID + ": " + name,
				Why: fmt.Sprintf("name clash: %s is the name of %s", c.rpc.Name, c.with)})
		}
	}
	b.problems = slices.Clone(b.doc.problems)
}

// verbOf is the first word of an RPC's name: "Get".
func verbOf(name string) string {
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			return name[:i]
		}
	}
	return name
}

// sets lists the new methods that change things.
func (d *Decisions) sets(b *builder) {
	for _, n := range b.named() {
		if b.locked.rpc(n.ID) != nil || n.Method == "GET" {
			continue
		}
		sets := []string{"write"}
		if n.Method == "DELETE" || strings.HasPrefix(n.rpc.Shape, "REPLACE") || n.rpc.Shape == "UPDATE_TO_ONE_RELATIONSHIP" {
			sets = append(sets, "destructive")
		}
		switch n.pkg {
		case "asc.commerce.v1":
			sets = append(sets, "revenue")
		case "asc.users.v1", "asc.webhooks.v1":
			sets = append(sets, "access")
		}
		d.Sets = append(d.Sets, n.pkg+"."+n.rpc.Service+"/"+n.rpc.Name+"\t"+strings.Join(sets, " "))
	}
	slices.Sort(d.Sets)
}
