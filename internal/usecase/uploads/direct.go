package uploads

import (
	"context"
	"errors"
	"strings"
	"time"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// BeginDirectUpload implements the RPC.
func (s *Service) BeginDirectUpload(
	ctx context.Context, req *uploadsv1.BeginDirectUploadRequest,
) (*uploadsv1.BeginDirectUploadResponse, error) {
	if err := checkStart(&uploadsv1.UploadStart{Target: req.GetTarget()}); err != nil {
		return nil, err
	}
	u := s.alone(ctx, &uploadsv1.UploadStart{Target: req.GetTarget()})
	u.file = u.source
	defer u.release()
	var err error
	if b := req.GetTarget().GetBuild(); b != nil {
		err = u.beginBuild(ctx, b)
	} else {
		err = u.beginPlain(ctx)
	}
	switch {
	case err != nil:
		return nil, err
	case u.existed || u.isSent:
		return nil, fault.New(fault.AlreadyExists, ReasonInFlight, "it is there already: nothing is to be sent")
	}
	ops, expires, err := operationsOf(u.res.resource, u.token.Size)
	if err != nil {
		u.abandon(ctx, u.res)
		return nil, err
	}
	if expires.IsZero() {
		expires = time.Now().Add(tokenLife)
	}
	u.token.Expires, u.token.Direct = expires.Unix(), true
	out := &uploadsv1.BeginDirectUploadResponse{Id: u.res.id, Token: s.seal(u.bound, &u.token), ExpireTime: timestamppb.New(expires)}
	for _, o := range ops {
		d := &uploadsv1.DirectOperation{Method: o.Method, Url: o.URL, Length: o.Length, Offset: o.offset, Headers: map[string]string{}}
		for _, h := range o.Headers {
			d.Headers[h.Name] = h.Value
		}
		out.Operations = append(out.Operations, d)
	}
	return out, nil
}

// CommitDirectUpload implements the RPC.
func (s *Service) CommitDirectUpload(
	ctx context.Context, req *uploadsv1.CommitDirectUploadRequest,
) (*uploadsv1.CommitDirectUploadResponse, error) {
	if err := checkStart(&uploadsv1.UploadStart{ResumeToken: req.GetToken(), Md5: req.GetMd5()}); err != nil {
		return nil, err
	}
	t, err := s.unseal(ctx, req.GetToken())
	if err != nil {
		return nil, err
	}
	k := s.kinds().bySchema[t.Kind]
	if k == nil || !t.Direct {
		return nil, fault.New(fault.InvalidArgument, ReasonToken, "the token is of another method")
	}
	u := s.alone(ctx, &uploadsv1.UploadStart{WaitFor: req.GetWaitFor()})
	u.token, u.digest = *t, nil
	u.res = &reservation{kind: k, id: t.ID, name: t.Name, size: t.Size, relation: t.By, owner: t.Owner, parent: t.Parent, app: t.App}
	if err := u.commit(ctx, u.res, strings.ToLower(req.GetMd5())); err != nil {
		return nil, u.gone(err)
	}
	u.isSent = true
	err = u.wait(ctx)
	u.note(ctx, err)
	var f *fault.Error
	if errors.As(err, &f) && f.Reason == ReasonFailed {
		u.res.ours = true // it was begun with this token
		if u.abandon(ctx, u.res) {
			f.Message += "; the reservation was deleted"
		}
	}
	if err != nil {
		return nil, err
	}
	return &uploadsv1.CommitDirectUploadResponse{Result: u.outcome()}, nil
}

// alone is an upload without a stream: nobody hears of its progress, and it brings
// no bytes.
func (s *Service) alone(ctx context.Context, start *uploadsv1.UploadStart) *upload {
	u := &upload{caller: &caller{Service: s, stop: func(error) {}}, start: start, bound: s.place(ctx), noBytes: true}
	u.source = &chunks{next: func() (int64, []byte, error) { return 0, nil, errNoBytes }}
	u.tell = func(*uploadsv1.UploadProgress) error { return nil }
	return u
}

var errNoBytes = fault.New(fault.InvalidArgument, ReasonNoBuild,
	"the bytes do not come by the gateway: say app, version, number and platform")
