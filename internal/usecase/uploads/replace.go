package uploads

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// filesMost is how many files one place may be made to hold.
const filesMost = 100

// shelf is a place that holds files in an order: a set, or a group of placements.
type shelf interface {
	// read tells what is there, in its order.
	read(ctx context.Context) ([]holding, error)
	// have finds assets that need no upload, only a place: by the MD5 of their file.
	have(ctx context.Context, files []*uploadsv1.AssetFile) (map[string]string, error)
	// ready makes the place itself, if it is not there. cost is what it takes.
	ready(ctx context.Context) error
	cost() (what string, requests int32)
	// of is the kind of its files, and the create request of one.
	of(f *uploadsv1.AssetFile) (*kind, protoreflect.Message)
	// put gives an asset its place, and returns the id by which it is ordered.
	put(ctx context.Context, asset string) (id string, err error)
	// puts is how many requests that takes.
	puts() int32
	remove(ctx context.Context, h holding) error
	// drop deletes the place with all that it holds, by one request. droppable says
	// whether it can be made again.
	drop(ctx context.Context) error
	droppable() bool
	order(ctx context.Context, ids []string) error
	// set is the id of the set, "": it is none.
	set() string
	// purpose is the display type of its files, or their placement type and group;
	// empty where it is not known.
	purpose() (display, placementType, placementGroup string)
	// room is how many files it takes, 0: nobody says.
	room(ctx context.Context) int
	name() string
}

// holding is what a place holds.
type holding struct {
	id    string // by which it is ordered
	asset protoreflect.Message
	sum   string // MD5, "": not known
	word  string // state
	good  bool   // Apple has not refused it, and it has its bytes
}

func (h holding) String() string {
	return text(h.asset, "file_name") + " (" + h.id + ")"
}

// slot is one file that is to be there.
type slot struct {
	file  *uploadsv1.AssetFile
	held  *holding // it is there
	asset string   // it has no place yet; "" with held nil: it must be uploaded
	id    string   // by which it is ordered, once it is known
	done  protoreflect.Message
}

// replacement is what is to be done to a place.
type replacement struct {
	*caller
	shelf   shelf
	now     []holding
	slots   []*slot
	extra   []holding // to be removed
	early   int       // of those, before anything is uploaded: there is no room
	reorder bool
	renew   bool // nothing stays: the place is deleted, and made again if there are files
}

// plan reads a place and says what is to be done.
func (c *caller) plan(ctx context.Context, place *uploadsv1.AssetPlace, files []*uploadsv1.AssetFile) (*replacement, error) {
	if err := checkFiles(files); err != nil {
		return nil, err
	}
	r := &replacement{caller: c}
	var err error
	if r.shelf, err = c.shelfOf(place); err != nil {
		return nil, err
	}
	if r.now, err = r.shelf.read(ctx); err != nil {
		return nil, err
	}
	r.match(files)
	var missing []*uploadsv1.AssetFile
	for _, s := range r.slots {
		if s.held == nil {
			missing = append(missing, s.file)
		}
	}
	if len(missing) > 0 {
		known, err := r.shelf.have(ctx, missing)
		if err != nil {
			return nil, err
		}
		for _, s := range r.slots {
			if s.held == nil {
				s.asset = known[strings.ToLower(s.file.GetMd5())]
			}
		}
	}
	room := 0
	if len(missing) > 0 { // else there is nothing to be checked
		room = r.shelf.room(ctx)
	}
	if room > 0 {
		if len(files) > room {
			return nil, fault.Invalid("files", "%s holds at most %d", r.shelf.name(), room)
		}
		r.early = max(0, min(len(r.extra), len(r.now)+len(missing)-room))
	}
	r.reorder = r.outOfOrder()
	made := 0
	if len(files) > 0 {
		made = 1
	}
	if len(r.extra) == len(r.now) && len(r.extra) > 1+made && r.shelf.droppable() {
		r.renew, r.early, r.reorder = true, 0, false
	}
	return r, nil
}

// match finds the files that are there, and what is there beside them.
func (r *replacement) match(files []*uploadsv1.AssetFile) {
	taken := make([]bool, len(r.now))
	for _, f := range files {
		s := &slot{file: f}
		for i := range r.now {
			if h := &r.now[i]; !taken[i] && h.good && strings.EqualFold(h.sum, f.GetMd5()) {
				taken[i], s.held, s.id, s.done = true, h, h.id, h.asset
				break
			}
		}
		r.slots = append(r.slots, s)
	}
	for i, h := range r.now {
		if !taken[i] {
			r.extra = append(r.extra, h)
		}
	}
}

// outOfOrder says whether the order must be written: what stays keeps its order,
// and what is new comes behind it in the order of the files.
func (r *replacement) outOfOrder() bool {
	var natural []*slot
	for _, h := range r.now {
		for _, s := range r.slots {
			if s.held != nil && s.held.id == h.id {
				natural = append(natural, s)
			}
		}
	}
	for _, s := range r.slots {
		if s.held == nil {
			natural = append(natural, s)
		}
	}
	return !slices.Equal(natural, r.slots)
}

// wanted are the indexes of the files whose bytes are needed.
func (r *replacement) wanted() (list []int32) {
	for i, s := range r.slots {
		if s.held == nil && s.asset == "" {
			list = append(list, int32(i))
		}
	}
	return list
}

// asPlan is what is to be done, for people.
func (r *replacement) asPlan() *operationsv1.Plan {
	p := &operationsv1.Plan{Subject: r.shelf.name()}
	add := func(name, target, from, to, why string, requests int32) {
		p.Changes = append(p.Changes,
			&operationsv1.Change{Name: name, Target: target, From: from, To: to, Why: why, Requests: requests})
		p.Requests += requests
	}
	if what, n := r.shelf.cost(); n > 0 && len(r.slots) > 0 {
		add("createSet", what, "", what, "there is no such set yet", n)
	}
	remove := func(list []holding, why string) {
		for _, h := range list {
			add("removeAsset", h.String(), h.word, "", why, 1)
		}
	}
	if r.renew {
		add("deleteSet", r.shelf.name(), fmt.Sprintf("%d files", len(r.extra)), "", "nothing that it holds is among the files", 1)
		if len(r.slots) > 0 {
			add("createSet", r.shelf.name(), "", r.shelf.name(), "it is made again", 1)
		}
	}
	remove(r.extra[:r.early], "it is not among the files, and there is no room beside it")
	for i, s := range r.slots {
		at := fmt.Sprintf("place %d", i+1)
		switch {
		case s.held != nil:
		case s.asset != "":
			add("placeAsset", s.file.GetFileName(), "", at, "an equal file is in the library", r.shelf.puts())
		default:
			add("uploadAsset", s.file.GetFileName(), "", at, "no equal file is there", 2+r.shelf.puts())
		}
	}
	if !r.renew {
		remove(r.extra[r.early:], "it is not among the files")
	}
	if r.reorder {
		add("orderAssets", r.shelf.name(), "", "the order of the files", "what stays is in another order", 1)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", p.GetSubject())
	for _, s := range r.slots {
		fmt.Fprintf(h, "%q\n", []string{s.file.GetFileName(), s.file.GetMd5(), s.id, s.asset})
	}
	for _, c := range p.GetChanges() {
		fmt.Fprintf(h, "%q\n", []string{c.GetName(), c.GetTarget(), c.GetFrom(), c.GetTo()})
	}
	p.Etag = hex.EncodeToString(h.Sum(nil)[:16])
	return p
}

func checkFiles(files []*uploadsv1.AssetFile) error {
	if len(files) > filesMost {
		return fault.Invalid("files", "must be at most %d", filesMost)
	}
	for i, f := range files {
		at := func(name string) string { return fmt.Sprintf("files[%d].%s", i, name) }
		if err := checkFile(at, f.GetFileName(), f.GetFileSize()); err != nil {
			return err
		}
		if sum := strings.ToLower(f.GetMd5()); len(sum) != 32 || strings.Trim(sum, "0123456789abcdef") != "" {
			return fault.Invalid(at("md5"), "want 32 hexadecimal digits")
		}
	}
	return nil
}

// PlanReplaceAssets implements the RPC.
func (s *Service) PlanReplaceAssets(
	ctx context.Context, req *uploadsv1.PlanReplaceAssetsRequest,
) (*uploadsv1.PlanReplaceAssetsResponse, error) {
	c := &caller{Service: s, stop: func(error) {}}
	r, err := c.plan(ctx, req.GetPlace(), req.GetFiles())
	if err != nil {
		return nil, err
	}
	return &uploadsv1.PlanReplaceAssetsResponse{Plan: r.asPlan(), Wanted: r.wanted()}, nil
}

// ReplaceAssets implements the RPC.
func (s *Service) ReplaceAssets(
	stream grpc.BidiStreamingServer[uploadsv1.ReplaceAssetsRequest, uploadsv1.ReplaceAssetsResponse],
) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	if start == nil {
		return fault.Invalid("start", "the first message must be a start")
	}
	ctx, stop := context.WithCancelCause(stream.Context())
	defer stop(nil)
	c := &caller{Service: s, stop: stop}
	r, err := c.plan(ctx, start.GetPlace(), start.GetFiles())
	if err != nil {
		return err
	}
	plan := &uploadsv1.PlanReplaceAssetsResponse{Plan: r.asPlan(), Wanted: r.wanted()}
	if start.GetPlanEtag() != "" && start.GetPlanEtag() != plan.GetPlan().GetEtag() {
		return failed(ReasonPlanStale, "what is there has changed since the plan was made: plan again")
	}
	if err := stream.Send(&uploadsv1.ReplaceAssetsResponse{Part: &uploadsv1.ReplaceAssetsResponse_Plan{Plan: plan}}); err != nil {
		return err
	}
	in := &incoming{recv: stream.Recv}
	job := &replacing{replacement: r, strict: start.GetStrict(), bound: s.place(ctx), in: in}
	job.tell = func(file int32, p *uploadsv1.UploadProgress) error {
		p.ResumeToken, p.ExpireTime = "", nil // what is missing is found by calling again
		return stream.Send(&uploadsv1.ReplaceAssetsResponse{Part: &uploadsv1.ReplaceAssetsResponse_Progress{
			Progress: &uploadsv1.AssetProgress{File: file, Progress: p}}})
	}
	res, err := job.run(ctx)
	s.deps.Note(ctx, fmt.Sprintf("%s: %d uploaded, %d removed", r.shelf.name(), res.GetUploaded(), res.GetDeleted()))
	if err != nil {
		return err
	}
	return stream.Send(&uploadsv1.ReplaceAssetsResponse{Part: &uploadsv1.ReplaceAssetsResponse_Result{Result: res}})
}

// incoming are the bytes of several files, one after the other.
type incoming struct {
	recv func() (*uploadsv1.ReplaceAssetsRequest, error)
	kept *uploadsv1.AssetData // of the next file
}

// next is the next piece of a file; io.EOF: there is none.
func (in *incoming) next(file int32, size int64, got func() int64) (int64, []byte, error) {
	if got() >= size && in.kept == nil { // all of it is here: the next message is of another file
		return 0, nil, io.EOF
	}
	d := in.kept
	in.kept = nil
	if d == nil {
		m, err := in.recv()
		if err != nil {
			return 0, nil, err
		}
		if d = m.GetData(); d == nil {
			return 0, nil, fault.Invalid("data", "after the start there is only data")
		}
	}
	switch {
	case len(d.GetData()) > dataMost:
		return 0, nil, fault.Invalid("data", "must be at most %d bytes", dataMost)
	case d.GetFile() != file:
		in.kept = d
		return 0, nil, io.EOF
	}
	return d.GetWriteOffset(), d.GetData(), nil
}
