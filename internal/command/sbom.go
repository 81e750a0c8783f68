package command

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"runtime/debug"
	"strings"
)

// bom is a CycloneDX 1.5 bill of materials, as far as it is used here.
type bom struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   bomMetadata `json:"metadata"`
	Components []component `json:"components"`
}

type bomMetadata struct {
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

// writeSBOM writes of which modules a program is made: the file of, or this very
// program where of is empty.
func writeSBOM(w io.Writer, of string) error {
	info, _ := debug.ReadBuildInfo()
	if of != "" {
		var err error
		if info, err = buildinfo.ReadFile(of); err != nil {
			return err
		}
	}
	b := bom{
		Format:   "CycloneDX",
		Spec:     "1.5",
		Version:  1,
		Metadata: bomMetadata{componentOf("application", debug.Module{Path: info.Main.Path, Version: version()})},
	}
	b.Components = append(
		b.Components,
		componentOf("library", debug.Module{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}),
	)
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Components = append(b.Components, componentOf("library", *m))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(b)
}

func componentOf(kind string, m debug.Module) component {
	purl := "pkg:golang/" + m.Path + "@" + m.Version
	c := component{Type: kind, Ref: purl, Name: m.Path, Version: m.Version, PURL: purl}
	if sum, ok := strings.CutPrefix(m.Sum, "h1:"); ok { // of the module's files, as go.sum has it
		if raw, err := base64.StdEncoding.DecodeString(sum); err == nil {
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
		}
	}
	return c
}
