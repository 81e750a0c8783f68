package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// files is the path of the resource whose bytes the sink takes itself.
const files = "/v1/buildUploadFiles"

// standIn is what the sandbox gets in place of a file, once the sink has all of it:
// so the sandbox's states stay true, and it need not keep a gigabyte.
const standIn = "x"

// sink takes the bytes of builds. Of its own it has
//
//	PUT  /_sink/part/{id}/{n}       a part
//	PUT  /_sink/whole               a file by itself: answers its SHA-256
//	GET  /_sink/files               what has arrived, as JSON
//	POST /_sink/fail?part=N&times=T parts N (from 0) answer 503 T times
type sink struct {
	self    string // its own origin
	sandbox *url.URL
	part    int64
	delay   time.Duration
	rate    float64 // bytes a second

	mu    sync.Mutex
	files map[string]*file // by id
	fail  map[int]int      // how often parts fail from now on
}

// file is what is known of one.
type file struct {
	Size  int64
	Parts []part
	link  string // where the sandbox takes the stand-in
	given bool
}

// part is what has arrived of one.
type part struct {
	Offset, Length int64
	SHA256         string // "": it has not arrived
	Times          int    // it arrived
	Bytes          int64  // read from all requests, those that broke or failed included
	Differed       bool   // it arrived with other bytes than before
}

func (s *sink) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /_sink/part/{id}/{n}", s.takePart)
	mux.HandleFunc("PUT /_sink/whole", s.takeWhole)
	mux.HandleFunc("GET /_sink/files", s.tell)
	mux.HandleFunc("POST /_sink/fail", s.failing)
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(s.sandbox); r.Out.Header.Del("Accept-Encoding") },
		ModifyResponse: s.answer,
	}
	mux.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == files {
			if err := s.ask(r); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	return mux
}

// sizeHeader carries the real size of a file from its request to its answer.
const sizeHeader = "X-Sink-Size"

// ask reserves the stand-in in place of a file.
func (s *sink) ask(r *http.Request) error {
	var doc struct {
		Data struct {
			Type          string         `json:"type"`
			Attributes    map[string]any `json:"attributes"`
			Relationships any            `json:"relationships"`
		} `json:"data"`
	}
	if err := json.NewDecoder(r.Body).Decode(&doc); err != nil {
		return err
	}
	size, ok := doc.Data.Attributes["fileSize"].(float64)
	if !ok || size < 1 {
		return errors.New("no fileSize")
	}
	doc.Data.Attributes["fileSize"] = len(standIn)
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	r.Header.Set("Content-Length", strconv.Itoa(len(b)))
	r.Header.Set(sizeHeader, strconv.FormatInt(int64(size), 10))
	return nil
}

// answer puts files in place of their stand-ins.
func (s *sink) answer(res *http.Response) error {
	if !strings.Contains(res.Header.Get("Content-Type"), "json") || !strings.HasPrefix(res.Request.URL.Path, "/v1/build") {
		return nil
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	var doc any
	if json.Unmarshal(b, &doc) == nil {
		size, _ := strconv.ParseInt(res.Request.Header.Get(sizeHeader), 10, 64)
		s.mu.Lock()
		s.restore(doc, size)
		s.mu.Unlock()
		if b, err = json.Marshal(doc); err != nil {
			return err
		}
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	res.Header.Set("Content-Length", strconv.Itoa(len(b)))
	return nil
}

// restore changes every file within an answer. made is the size of the one that it
// tells for the first time.
func (s *sink) restore(v any, made int64) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			s.restore(x, made)
		}
	case map[string]any:
		attrs, _ := v["attributes"].(map[string]any)
		if id, _ := v["id"].(string); v["type"] == "buildUploadFiles" && attrs != nil {
			s.restoreFile(id, attrs, made)
			return
		}
		for _, x := range v {
			s.restore(x, made)
		}
	}
}

func (s *sink) restoreFile(id string, attrs map[string]any, made int64) {
	operations, _ := attrs["uploadOperations"].([]any)
	f := s.files[id]
	if f == nil && made > 0 && len(operations) == 1 {
		f = &file{Size: made, link: operations[0].(map[string]any)["url"].(string)}
		for at := int64(0); at < made; at += s.part {
			f.Parts = append(f.Parts, part{Offset: at, Length: min(s.part, made-at)})
		}
		s.files[id] = f
	}
	if f == nil {
		return
	}
	if attrs["fileSize"] != nil {
		attrs["fileSize"] = f.Size
	}
	if len(operations) == 0 {
		return
	}
	like := operations[0].(map[string]any)
	list := make([]any, len(f.Parts))
	for i, p := range f.Parts {
		list[i] = map[string]any{"method": http.MethodPut, "offset": p.Offset, "length": p.Length,
			"url":            fmt.Sprintf("%s/_sink/part/%s/%d", s.self, id, i),
			"requestHeaders": like["requestHeaders"], "partNumber": i + 1, "expiration": like["expiration"]}
	}
	attrs["uploadOperations"] = list
}

// takePart takes a part. The last one that is missing gives the sandbox its
// stand-in.
func (s *sink) takePart(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	s.mu.Lock()
	f := s.files[r.PathValue("id")]
	s.mu.Unlock()
	if f == nil || err != nil || n < 0 || n >= len(f.Parts) {
		http.Error(w, "no such part", http.StatusForbidden)
		return
	}
	if r.Header.Get("Authorization") != "" {
		http.Error(w, "a part needs no token", http.StatusBadRequest)
		return
	}
	sum, size, err := s.paced(r.Body)
	s.mu.Lock()
	p := &f.Parts[n]
	p.Bytes += size
	want := p.Length
	failing := s.fail[n] > 0
	if failing {
		s.fail[n]--
	}
	s.mu.Unlock()
	switch {
	case failing:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case err != nil || size != want:
		http.Error(w, fmt.Sprintf("%d bytes, want %d", size, want), http.StatusBadRequest)
		return
	}
	if err := s.arrived(f, n, sum); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (s *sink) arrived(f *file, n int, sum string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &f.Parts[n]
	p.Differed = p.Differed || p.SHA256 != "" && p.SHA256 != sum
	p.SHA256, p.Times = sum, p.Times+1
	for _, p := range f.Parts {
		if p.SHA256 == "" {
			return nil
		}
	}
	if f.given {
		return nil
	}
	u, err := url.Parse(f.link)
	if err != nil {
		return err
	}
	u.Scheme, u.Host = s.sandbox.Scheme, s.sandbox.Host
	req, err := http.NewRequest(http.MethodPut, u.String(), strings.NewReader(standIn))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the sandbox does not take the stand-in: %s", res.Status)
	}
	f.given = true
	return nil
}

// takeWhole takes a file in one request, at the same pace.
func (s *sink) takeWhole(w http.ResponseWriter, r *http.Request) {
	sum, size, err := s.paced(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = fmt.Fprintf(w, "%s %d\n", sum, size)
}

// paced reads a body at the pace of a connection, and waits as long as an answer
// takes.
func (s *sink) paced(body io.Reader) (sum string, size int64, err error) {
	begun := time.Now()
	h := sha256.New()
	buf := make([]byte, 64<<10)
	for {
		n, rerr := io.ReadFull(body, buf)
		h.Write(buf[:n])
		size += int64(n)
		if ahead := time.Duration(float64(size)/s.rate*float64(time.Second)) - time.Since(begun); ahead > time.Millisecond {
			time.Sleep(ahead)
		}
		if errors.Is(rerr, io.EOF) || errors.Is(rerr, io.ErrUnexpectedEOF) {
			break
		}
		if rerr != nil {
			return "", size, rerr
		}
	}
	time.Sleep(s.delay)
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// tell tells what has arrived.
func (s *sink) tell(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.files) // to a test that reads it
}

// failing lets a part fail from now on.
func (s *sink) failing(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("part"))
	times, terr := strconv.Atoi(r.URL.Query().Get("times"))
	if err = errors.Join(err, terr); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = map[int]int{n: times}
}
