package uploads

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// reservation is a file that Apple waits for.
type reservation struct {
	kind     *kind
	resource protoreflect.Message
	id       string
	name     string
	size     int64
	relation string // names its owner, "": it has none that is known
	owner    string
	parent   string // the buildUploads resource, which is deleted instead
	app      string
	ours     bool // this process has claimed it
}

// reserve makes the resource of a file. Where the outcome is not known, what is
// there is read; where Apple refuses one more, a reservation for the same file that
// nobody works on is taken over.
func (c *caller) reserve(ctx context.Context, k *kind, create proto.Message) (*reservation, error) {
	req := proto.Clone(create).ProtoReflect()
	if text(req, "request_id") == "" {
		set(req, "request_id", "upload/"+rand.Text())
	}
	r := &reservation{kind: k, name: text(req, "file_name"), size: number(req, "file_size")}
	r.relation, r.owner = k.owner(req)
	for try := 0; ; try++ {
		res, err := c.call(ctx, k.create, req.Interface())
		if err == nil {
			r.resource = k.create.resource(res)
			r.id = text(r.resource, "id")
			if r.id == "" {
				return nil, failed(ReasonOperations, "Apple made a file without an id")
			}
			r.ours = c.claims.take(r.id, c.stop)
			return r, nil
		}
		refused := status.Code(err) == codes.FailedPrecondition || status.Code(err) == codes.AlreadyExists
		if !refused && !unclear(err) || ctx.Err() != nil {
			return nil, err
		}
		found, ferr := c.orphan(ctx, r, !refused)
		if ferr == nil && found {
			return r, nil
		}
		if refused || ferr != nil || try > 0 || r.owner == "" {
			return nil, err
		}
		set(req, "request_id", "upload/"+rand.Text()) // the first was not executed
	}
}

// orphan looks for a reservation of the same file that nobody works on. Apple may
// show what it has made a while later.
func (c *caller) orphan(ctx context.Context, r *reservation, patient bool) (found bool, err error) {
	m := r.kind.siblings[r.relation]
	if m == nil {
		return false, nil
	}
	pauses := []time.Duration{0}
	if patient {
		pauses = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second}
	}
	for _, p := range pauses {
		if err := c.pause(ctx, p); err != nil {
			return false, err
		}
		list, err := c.siblings(ctx, m, r.owner)
		if err != nil {
			return false, err
		}
		for _, s := range slices.Backward(list) {
			same := text(s, "file_name") == r.name && number(s, "file_size") == r.size
			if id := text(s, "id"); same && r.kind.conditionOf(s).word == awaiting && c.claims.take(id, c.stop) {
				r.resource, r.id, r.ours = s, id, true
				return true, nil
			}
		}
	}
	return false, nil
}

// there is a file of an owner that is equal to the one that is to be uploaded, not
// valid if there is none. full says that there is no room for one more.
func (u *upload) there(
	ctx context.Context, k *kind, create protoreflect.Message, md5 string,
) (equal protoreflect.Message, full bool, err error) {
	relation, owner := k.owner(create)
	m := k.siblings[relation]
	if m == nil || k.most == 0 && (md5 == "" || k.sum != md5Sum) {
		return nil, false, nil
	}
	list, err := u.siblings(fresh(ctx), m, owner)
	if err != nil {
		return nil, false, err
	}
	for _, s := range list {
		if cond := k.conditionOf(s); md5 != "" && !cond.failed && cond.word != awaiting && k.sum == md5Sum &&
			strings.EqualFold(text(s, "source_file_checksum"), md5) {
			return s, false, nil
		}
	}
	return nil, k.most > 0 && len(list) >= k.most, nil
}

// abandon deletes what cannot be finished, where it can be, and says whether it did.
// It does so even for a caller that has left.
func (c *caller) abandon(ctx context.Context, r *reservation) bool {
	if r == nil || r.id == "" || !r.ours {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	switch {
	case r.parent != "":
		return c.deleteBuildUpload(ctx, r.parent) == nil
	case r.kind.remove != nil:
		_, err := c.call(ctx, r.kind.remove, r.kind.remove.byID(r.id).Interface())
		return err == nil
	}
	return false
}
