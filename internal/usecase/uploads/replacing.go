package uploads

import (
	"context"
	"slices"
	"strings"
	"sync"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// commitsAtOnce is how many files are committed beside the one whose bytes come.
const commitsAtOnce = 4

// replacing carries a replacement out.
type replacing struct {
	*replacement
	strict bool
	bound  string
	in     *incoming
	tell   func(file int32, p *uploadsv1.UploadProgress) error

	mu       sync.Mutex // of tell
	sent     []*upload
	result   uploadsv1.ReplaceAssetsResult
	warnings []*uploadsv1.Warning
}

// run does what is to be done. What it did stays when it fails: the next call does
// the rest.
func (r *replacing) run(ctx context.Context) (*uploadsv1.ReplaceAssetsResult, error) {
	err := r.do(ctx)
	r.result.Requests, r.result.Set, r.result.Warnings = r.requests.Load(), r.shelf.set(), r.warnings
	if err != nil {
		return &r.result, err
	}
	for _, s := range r.slots {
		k, _ := r.shelf.of(s.file)
		if s.done != nil {
			r.result.Assets = append(r.result.Assets, k.result(s.done))
		}
	}
	return &r.result, nil
}

func (r *replacing) do(ctx context.Context) error {
	if r.renew {
		if err := r.shelf.drop(ctx); err != nil && !isNotFound(err) {
			return err
		}
		r.result.Deleted, r.extra = int32(len(r.extra)), nil
	}
	if len(r.slots) > 0 {
		if err := r.shelf.ready(ctx); err != nil {
			return err
		}
	}
	if err := r.removeAll(ctx, r.extra[:r.early]); err != nil {
		return err
	}
	if err := r.upload(ctx); err != nil {
		return err
	}
	if err := r.await(ctx); err != nil {
		return err
	}
	for _, s := range r.slots {
		if s.id == "" {
			id, err := r.shelf.put(ctx, s.asset)
			if err != nil {
				return err
			}
			s.id = id
		}
	}
	if err := r.removeAll(ctx, r.extra[r.early:]); err != nil {
		return err
	}
	if !r.reorder {
		return nil
	}
	ids := make([]string, len(r.slots))
	for i, s := range r.slots {
		ids[i] = s.id
	}
	r.result.Reordered = true
	return r.shelf.order(ctx, ids)
}

func (r *replacing) removeAll(ctx context.Context, list []holding) error {
	for _, h := range list {
		if err := r.shelf.remove(ctx, h); err != nil && !isNotFound(err) {
			return err
		}
		r.result.Deleted++
	}
	return nil
}

// upload sends the files whose bytes are wanted, one after the other: Apple keeps
// the order in which they are reserved. Commits run beside.
func (r *replacing) upload(ctx context.Context) (err error) {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(commitsAtOnce)
	for i, s := range r.slots {
		if s.held != nil || s.asset != "" {
			continue
		}
		u := r.one(int32(i), s)
		if err = u.send(gctx); err != nil {
			err = u.broken(ctx, err)
			u.release()
			break
		}
		r.sent = append(r.sent, u)
		group.Go(func() error {
			_, md5 := u.digest.sums()
			if err := u.commit(gctx, u.res, md5); err != nil {
				return u.broken(ctx, err)
			}
			u.isSent = true
			return nil
		})
	}
	if cerr := group.Wait(); cerr != nil { // it has ended the one that was being sent
		err = cerr
	}
	for _, u := range r.sent {
		u.release()
	}
	return err
}

// one is the upload of one of the files.
func (r *replacing) one(i int32, s *slot) *upload {
	k, create := r.shelf.of(s.file)
	u := &upload{caller: r.caller, bound: r.bound, start: &uploadsv1.UploadStart{Strict: r.strict, Once: true}}
	u.start.Md5 = s.file.GetMd5()
	u.source = &chunks{}
	u.source.next = func() (int64, []byte, error) {
		return r.in.next(i, s.file.GetFileSize(), func() int64 { return u.source.at })
	}
	u.file, u.create, u.kind, u.slot = u.source, create, k, s
	u.display, u.placementType, u.placementGroup = r.shelf.purpose()
	u.tell = func(p *uploadsv1.UploadProgress) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.tell(i, p)
	}
	return u
}

// send reserves a file and sends its bytes.
func (u *upload) send(ctx context.Context) (err error) {
	if err := u.beforehand(ctx, u.kind, u.create); err != nil {
		return err
	}
	if u.res, err = u.reserve(ctx, u.kind, u.create.Interface()); err != nil {
		return err
	}
	u.reserved()
	if err := u.sendAll(ctx); err != nil {
		return err
	}
	return u.sameBytes()
}

// release lets others work on the reservation.
func (u *upload) release() {
	if u.res != nil && u.res.ours {
		u.claims.give(u.res.id)
	}
}

// await looks at all files that were sent, with one read for all, until Apple has
// taken them. Those that it refuses are deleted.
func (r *replacing) await(ctx context.Context) error {
	waiting := slices.Clone(r.sent)
	var refused []string
	for look := 0; len(waiting) > 0; look++ {
		if err := r.pause(ctx, r.pauseAt(look)); err != nil {
			return err
		}
		files, err := r.files(ctx, waiting)
		if err != nil && !unclear(err) {
			return err
		}
		waiting = slices.DeleteFunc(waiting, func(u *upload) bool {
			f := files[u.res.id]
			if f == nil {
				return false
			}
			cond := u.kind.conditionOf(f)
			switch {
			case cond.failed:
				refused = append(refused, u.token.Name+": "+strings.Join(cond.errors, "; "))
				u.res.ours = true
				u.abandon(ctx, u.res)
				return true
			case cond.done:
				u.slot.done, u.slot.asset = f, u.res.id
				r.result.Uploaded++
				r.warnings = append(r.warnings, u.warnings...)
				return true
			}
			return false
		})
	}
	if len(refused) > 0 {
		return failed(ReasonFailed, "Apple refused %d of %d files: %s", len(refused), len(r.sent), strings.Join(refused, " · "))
	}
	return nil
}

// files reads the files of several uploads at once.
func (r *replacing) files(ctx context.Context, of []*upload) (map[string]protoreflect.Message, error) {
	m := of[0].kind.siblings[of[0].res.relation]
	if m == nil {
		return nil, failed(ReasonOperations, "the files of %s cannot be listed", of[0].kind.typ)
	}
	req := m.byID(of[0].res.owner)
	set(req, "page_size", int32(200))
	if fd := m.in.Descriptor().Fields().ByName("filter"); fd != nil {
		filter := req.Mutable(fd).Message()
		ids := filter.Mutable(filter.Descriptor().Fields().ByName("id")).List()
		for _, u := range of {
			ids.Append(protoreflect.ValueOfString(u.res.id))
		}
	}
	res, err := r.call(fresh(ctx), m, req.Interface())
	if err != nil {
		return nil, err
	}
	found := map[string]protoreflect.Message{}
	for _, f := range m.resources(res) {
		found[text(f, "id")] = f
	}
	return found, nil
}
