package restrict

import (
	_ "embed"
	"strings"
)

//go:embed table.tsv
var written string

// Written is the rule of a method as table.tsv has it: its kind, and by what it
// decides. It makes nothing of the descriptors, which takes tens of megabytes, so
// it is for showing rules; those that decide come from [New], and a test holds
// both equal. The kind is "" for a method that table.tsv does not list.
func Written(name string) (kind Kind, by string) {
	_, after, ok := strings.Cut(written, "\t"+name+"\t")
	if !ok {
		return "", ""
	}
	before := written[:len(written)-len(after)-len("\t"+name+"\t")]
	by, _, _ = strings.Cut(after, "\n")
	return Kind(before[strings.LastIndexByte(before, '\n')+1:]), by
}
