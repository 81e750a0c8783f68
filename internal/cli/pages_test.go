package cli

import (
	"bytes"
	"testing"

	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	"google.golang.org/protobuf/proto"
)

func TestTheCounterOfPages(t *testing.T) {
	page := &testflightv1.ListBuildsResponse{Builds: []*resourcesv1.Build{{}, {}}, TotalSize: proto.Int32(3)}
	for on, want := range map[bool]string{true: "\rpage 1, 2 of 3\rpage 2, 4 of 3\n", false: ""} {
		var out bytes.Buffer
		c := counter{w: &out, on: on}
		for n := 1; n <= 2; n++ {
			c.page(n, page.ProtoReflect(), dataOf(page.ProtoReflect().Descriptor()))
		}
		c.end()
		c.end()
		if out.String() != want {
			t.Errorf("on a terminal %v: %q, want %q", on, out.String(), want)
		}
	}
}

func TestTablesObeyNoTerminalSequence(t *testing.T) {
	var out bytes.Buffer
	c := &caller{stdout: &out, output: "table"}
	err := c.print(&testflightv1.ListBuildsResponse{Builds: []*resourcesv1.Build{{Id: "1", Version: proto.String("a\x1b[2Jb\nc")}}})
	if err != nil || out.String() != "ID  VERSION\n1   a\uFFFD[2Jb c\n" {
		t.Errorf("%v %q", err, out.String())
	}
}
