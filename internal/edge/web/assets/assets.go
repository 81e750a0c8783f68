// Package assets holds what the pages of the gateway and of the sandbox share:
// the frame of a page, its style and its scripts. All of it is in the program;
// nothing is loaded from anywhere else.
//
// It must hold nothing that is secret: every file is served to everyone.
package assets

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed files
var files embed.FS

// Policy is the Content-Security-Policy of every page: scripts and styles from
// the same address only, none of them inline, and no other page around it.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Protect sets the headers that every page and file is served with.
func Protect(h http.Header) {
	h.Set("Content-Security-Policy", Policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// kinds are the content types of the files.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// Serve answers with the file that the last element of the path names, or with
// 404. A browser that has the file already is told so.
func Serve(w http.ResponseWriter, r *http.Request) {
	Protect(w.Header())
	name := path.Base(r.URL.Path)
	kind := kinds[path.Ext(name)]
	b, err := files.ReadFile("files/" + name)
	if err != nil || kind == "" {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(b)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache") // ask each time: a new release has new files
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", kind)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b) // a caller that went away needs no answer
	}
}

// Names lists the files.
func Names() (names []string) {
	entries, _ := files.ReadDir("files") // it is embedded: it can be read
	for _, e := range entries {
		if kinds[path.Ext(e.Name())] != "" {
			names = append(names, e.Name())
		}
	}
	return names
}

// Page is what the frame of a page shows around its content.
type Page struct {
	Title   string
	Name    string // of the program, beside the logo
	Links   []Link // of the navigation
	Script  string // a file's name beside page.js; "": none
	Content any    // what the template "content" gets
}

// Link of a navigation. Current marks the page that is shown.
type Link struct {
	Title, URL string
	Current    bool
}

// Parse makes a page of the frame and of a template that defines "content".
func Parse(from fs.FS, names ...string) (*template.Template, error) {
	t, err := template.New("frame.html").Funcs(template.FuncMap{"join": strings.Join}).ParseFS(files, "files/frame.html")
	if err != nil {
		return nil, err
	}
	return t.ParseFS(from, names...)
}
