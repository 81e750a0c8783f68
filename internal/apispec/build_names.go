package apispec

import (
	"cmp"
	"slices"
	"strings"
)

// namedOperation is an operation with its place in the protobuf API.
type namedOperation struct {
	*Operation
	rpc  *RPC
	noun string // "BundleId"
	rel  string // "profiles", for operations on a relationship
	pkg  string // "asc.provisioning.v1"
}

var shapes = map[string]string{
	"getCollection": "GET_COLLECTION", "getInstance": "GET_INSTANCE",
	"createInstance": "CREATE_INSTANCE", "updateInstance": "UPDATE_INSTANCE",
	"deleteInstance": "DELETE_INSTANCE", "getToManyRelated": "GET_TO_MANY_RELATED",
	"getToOneRelated": "GET_TO_ONE_RELATED", "getToManyRelationship": "GET_TO_MANY_RELATIONSHIP",
	"getToOneRelationship": "GET_TO_ONE_RELATIONSHIP", "createToManyRelationship": "CREATE_TO_MANY_RELATIONSHIP",
	"deleteToManyRelationship": "DELETE_TO_MANY_RELATIONSHIP", "replaceToManyRelationship": "REPLACE_TO_MANY_RELATIONSHIP",
	"updateToOneRelationship": "UPDATE_TO_ONE_RELATIONSHIP", "getMetrics": "GET_METRICS",
}

// named gives every operation its package, service and RPC name. Operations
// of the lock keep theirs; a newcomer that clashes is a problem, to be named
// by hand in areas.yaml.
func (b *builder) named() []*namedOperation {
	var out []*namedOperation
	byName := map[string]*namedOperation{} // package.name
	for _, op := range b.doc.Operations {
		n, ok := b.name(op)
		if !ok {
			continue
		}
		full := n.pkg + "." + n.rpc.Name
		keeper := byName[full]
		if keeper == nil {
			byName[full], out = n, append(out, n)
			continue
		}
		if b.older(n, keeper) {
			out[slices.Index(out, keeper)], byName[full] = n, n
			n, keeper = keeper, n
		}
		b.clash(n, keeper.ID, "RPC name %s is taken by %s: name one in areas.yaml")
	}
	if b.locked == nil {
		return out
	}
	for _, id := range sortedKeys(b.locked.RPCs) {
		rpc := b.locked.RPCs[id]
		if n := byName[rpc.Package+"."+rpc.Name]; n != nil && n.ID != id {
			b.clash(n, id, "RPC name %s belongs to %s for ever: name the newcomer in areas.yaml")
		}
	}
	return out
}

// older says which of two operations keeps its name: that of the lock, else the
// one on a resource rather than on a relationship.
func (b *builder) older(x, y *namedOperation) bool {
	if locked := b.locked.rpc(x.ID) != nil; locked != (b.locked.rpc(y.ID) != nil) {
		return locked
	}
	return x.rel == "" && y.rel != ""
}

func (b *builder) clash(n *namedOperation, with, format string) {
	b.clashed = append(b.clashed, clash{n, with})
	b.problem(n.ID, format, n.pkg+"."+n.rpc.Name, with)
}

func (b *builder) name(op *Operation) (*namedOperation, bool) {
	parts := strings.Split(op.ID, "_")
	shape := shapes[parts[len(parts)-1]]
	if shape == "" || len(parts) < 2 || len(parts) > 3 {
		b.problem(op.ID, "unknown shape")
		return nil, false
	}
	if len(op.Tags) == 0 || op.Tags[0] == "" {
		b.problem(op.ID, "has no tag")
		return nil, false
	}
	n := &namedOperation{Operation: op, noun: pascal(singular(parts[0]))}
	if len(parts) == 3 {
		n.rel = parts[1]
	}
	tag := op.Tags[0]
	n.rpc = &RPC{Name: cmp.Or(b.names[op.ID], rpcName(shape, parts[0], n.noun, n.rel)),
		Service: pascal(tag) + "Service", Method: op.Method, Path: op.Path, Shape: shape,
		Status: op.Status, Produces: op.Contents.Keys, Body: op.Body != nil, Deprecated: op.Deprecated}
	if old := b.locked.rpc(op.ID); old != nil {
		n.rpc.Name, n.rpc.Service, n.rpc.Package, n.rpc.File = old.Name, old.Service, old.Package, old.File
		n.rpc.Stream = old.Stream
	} else {
		area := b.areaOf[tag]
		if area == "" {
			b.problem("tag "+tag, "is in no area of areas.yaml")
			return nil, false
		}
		n.rpc.Package = "asc." + area + ".v1"
		n.rpc.File = "asc/" + area + "/v1/" + snake(lowerFirst(tag)) + ".proto"
		n.rpc.Stream = isFile(op)
	}
	n.pkg = n.rpc.Package
	return n, true
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// isFile says whether the answer is a file rather than a message.
func isFile(op *Operation) bool {
	if op.Contents.Len() == 0 {
		return false
	}
	return slices.Contains(fileTypes, op.Contents.Keys[0])
}

// fileTypes are the media types of answers that are files.
var fileTypes = []string{"application/a-gzip", "text/csv", "application/vnd.apple.diagnostic-logs+json"}

func rpcName(shape, prefix, noun, rel string) string {
	one, many := pascal(singular(rel)), pascal(rel)
	switch shape {
	case "GET_COLLECTION":
		return "List" + pascal(prefix)
	case "GET_INSTANCE":
		return "Get" + noun
	case "CREATE_INSTANCE":
		return "Create" + noun
	case "UPDATE_INSTANCE":
		return "Update" + noun
	case "DELETE_INSTANCE":
		return "Delete" + noun
	case "GET_TO_MANY_RELATED":
		return "List" + noun + many
	case "GET_TO_ONE_RELATED", "GET_METRICS":
		return "Get" + noun + many
	case "GET_TO_MANY_RELATIONSHIP":
		return "List" + noun + one + "Ids"
	case "GET_TO_ONE_RELATIONSHIP":
		return "Get" + noun + many + "Id"
	case "CREATE_TO_MANY_RELATIONSHIP":
		return "Add" + noun + many
	case "DELETE_TO_MANY_RELATIONSHIP":
		return "Remove" + noun + many
	case "REPLACE_TO_MANY_RELATIONSHIP":
		return "Replace" + noun + many
	default: // UPDATE_TO_ONE_RELATIONSHIP
		return "Set" + noun + many
	}
}
