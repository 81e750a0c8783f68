package uploads

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads/inspect"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Bounds of a request.
const (
	dataMost = 512 << 10 // bytes of one message
	nameMost = 255       // bytes of a file's name
)

// Upload implements the RPC.
func (s *Service) Upload(stream grpc.BidiStreamingServer[uploadsv1.UploadRequest, uploadsv1.UploadResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if first.GetStart() == nil {
		return fault.Invalid("start", "the first message must be a start")
	}
	ctx, stop := context.WithCancelCause(stream.Context())
	defer stop(nil)
	u := &upload{caller: &caller{Service: s, stop: stop}, start: first.GetStart(), bound: s.place(ctx)}
	u.source = &chunks{next: func() (int64, []byte, error) {
		m, err := stream.Recv()
		switch {
		case err != nil:
			return 0, nil, err
		case m.GetData() == nil:
			return 0, nil, fault.Invalid("data", "after the start there is only data")
		case len(m.GetData().GetData()) > dataMost:
			return 0, nil, fault.Invalid("data", "must be at most %d bytes", dataMost)
		}
		return m.GetData().GetWriteOffset(), m.GetData().GetData(), nil
	}}
	u.tell = func(p *uploadsv1.UploadProgress) error {
		return stream.Send(&uploadsv1.UploadResponse{Part: &uploadsv1.UploadResponse_Progress{Progress: p}})
	}
	res, err := u.run(ctx)
	if err != nil {
		return err
	}
	return stream.Send(&uploadsv1.UploadResponse{Part: &uploadsv1.UploadResponse_Result{Result: res}})
}

// upload is one file on its way.
type upload struct {
	*caller
	start    *uploadsv1.UploadStart
	source   *chunks
	file     io.Reader // the source, with what was looked at ahead
	tell     func(*uploadsv1.UploadProgress) error
	telling  sync.Mutex
	told     time.Time
	last     uploadsv1.PhaseEnum_Phase
	res      *reservation
	digest   *digest
	token    resume
	warnings []*uploadsv1.Warning
	build    *uploadsv1.BuildUploaded // of a build
	scan     *inspect.Scanner         // looks on the way which build it is; nil: it is known
	named    buildOf                  // what it must be
	display  string                   // type that a screenshot or preview is for, "": not known
	free     []func()                 // gives memory back
	// what an asset of the library is for, "": not known
	placementType, placementGroup string
	bound                         string               // to whom tokens are bound
	kind                          *kind                // of a file among others
	create                        protoreflect.Message // and its request
	slot                          *slot                // and what it is for
	existed                       bool
	noBytes                       bool // the caller sends them itself
	isSent                        bool // all bytes are with Apple, and committed
}

// run uploads the file. What is left behind when it fails is deleted, unless the
// caller can go on.
func (u *upload) run(ctx context.Context) (res *uploadsv1.UploadResult, err error) {
	defer func() {
		u.release()
		for _, free := range u.free {
			free()
		}
		u.note(ctx, err)
	}()
	if err := u.begin(ctx); err != nil {
		return nil, err
	}
	if !u.existed {
		if err := u.finish(ctx); err != nil {
			return nil, u.broken(ctx, err)
		}
	}
	return u.outcome(), nil
}

// outcome is what the caller gets at the end.
func (u *upload) outcome() *uploadsv1.UploadResult {
	res := &uploadsv1.UploadResult{Size: u.token.Size, Existed: u.existed, Warnings: u.warnings, Build: u.build,
		Requests: u.requests.Load()}
	if u.res != nil {
		res.Resource = u.res.kind.result(u.res.resource)
	}
	if u.whole() {
		res.Sha256, res.Md5 = u.digest.sums()
	}
	return res
}

// whole says whether the digest is of all bytes: an upload that another call has
// finished was not seen to its end.
func (u *upload) whole() bool {
	return !u.existed && u.digest != nil && u.token.Offset == u.token.Size
}

// note puts the file on the audit record of the call.
func (u *upload) note(ctx context.Context, err error) {
	if u.token.Name == "" {
		return
	}
	text := fmt.Sprintf("%s, %d bytes", clip(u.token.Name), u.token.Size)
	switch {
	case u.existed:
		text += ", was there"
	case err == nil && u.whole():
		sha, _ := u.digest.sums()
		text += ", sha256 " + sha
	}
	u.deps.Note(ctx, text)
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}

// begin gets a reservation: the one of the token, one that is there, or a new one.
func (u *upload) begin(ctx context.Context) error {
	if err := checkStart(u.start); err != nil {
		return err
	}
	u.file = u.source
	if u.start.GetResumeToken() != "" {
		return u.resumed(ctx)
	}
	if b := u.start.GetTarget().GetBuild(); b != nil {
		return u.beginBuild(ctx, b)
	}
	return u.beginPlain(ctx)
}

// beginPlain gets a reservation for a file that is no build.
func (u *upload) beginPlain(ctx context.Context) error {
	target := u.start.GetTarget().ProtoReflect()
	k := u.kinds().byTarget[target.WhichOneof(target.Descriptor().Oneofs().ByName("what")).Number()]
	create := target.Get(k.target).Message()
	if err := k.check(create); err != nil {
		return err
	}
	u.token = resume{Kind: k.schema, Name: text(create, "file_name"), Size: number(create, "file_size")}
	equal, full, err := u.there(ctx, k, create, strings.ToLower(u.start.GetMd5()))
	switch {
	case err != nil:
		return err
	case equal != nil:
		u.existed = true
		u.res = &reservation{kind: k, resource: equal, id: text(equal, "id")}
		return u.wait(ctx)
	case full:
		return failed(ReasonSetFull, "there are %d files already: that is the most", k.most)
	}
	if err := u.beforehand(ctx, k, create); err != nil {
		return err
	}
	if u.res, err = u.reserve(ctx, k, create.Interface()); err != nil {
		return err
	}
	u.reserved()
	return nil
}

// beforehand looks at the file before anything is reserved for it.
func (u *upload) beforehand(ctx context.Context, k *kind, create protoreflect.Message) error {
	u.token = resume{Kind: k.schema, Name: text(create, "file_name"), Size: number(create, "file_size")}
	if err := u.say(uploadsv1.PhaseEnum_CHECKING, ""); err != nil {
		return err
	}
	return u.inspect(ctx, k, create)
}

// reserved begins the token and the digest of a new reservation.
func (u *upload) reserved() {
	r := u.res
	u.token = resume{Kind: r.kind.schema, ID: r.id, Parent: r.parent, App: r.app, Owner: r.owner, By: r.relation,
		Name: r.name, Size: r.size, SHA256: strings.ToLower(u.start.GetSha256())}
	u.digest = newDigest(r.kind.sum == md5Sum || u.start.GetMd5() != "")
	u.token.Digest = u.digest.state()
}

// checkStart says what is wrong with a start by itself.
func checkStart(start *uploadsv1.UploadStart) error {
	hex := func(s string, n int) bool {
		return s == "" || len(s) == n && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
	}
	switch {
	case len(start.GetResumeToken()) > 4096:
		return fault.Invalid("start.resume_token", "is too long")
	case start.GetResumeToken() == "" && start.GetTarget().GetWhat() == nil:
		return fault.Invalid("start.target", "say what is uploaded")
	case !hex(start.GetSha256(), 64):
		return fault.Invalid("start.sha256", "want 64 hexadecimal digits")
	case !hex(start.GetMd5(), 32):
		return fault.Invalid("start.md5", "want 32 hexadecimal digits")
	}
	return nil
}

// check says what is missing in a create request.
func (k *kind) check(create protoreflect.Message) error {
	at := func(name string) string { return "start.target." + string(k.target.Name()) + "." + name }
	if err := checkFile(at, text(create, "file_name"), number(create, "file_size")); err != nil {
		return err
	}
	if fd := create.Descriptor().Fields().ByName("validate_only"); fd != nil && create.Get(fd).Bool() {
		return fault.Invalid(at("validate_only"), "is not for uploads: nothing would be reserved")
	}
	has := func(name string) bool {
		return create.Has(create.Descriptor().Fields().ByName(protoreflect.Name(name)))
	}
	for _, name := range k.needs {
		if !has(name) {
			return fault.Invalid(at(name), "is required")
		}
	}
	n := 0
	for _, name := range k.either {
		if has(name) {
			n++
		}
	}
	if len(k.either) > 0 && n != 1 {
		return fault.Invalid(at(k.either[0]), "want one of %s", strings.Join(k.either, " and "))
	}
	return nil
}

func checkFile(at func(string) string, name string, size int64) error {
	switch {
	case name == "" || len(name) > nameMost || strings.ContainsAny(name, "/\\\x00\r\n"):
		return fault.Invalid(at("file_name"), `want 1 to %d bytes without / \ and line ends`, nameMost)
	case size <= 0:
		return fault.Invalid(at("file_size"), "an empty file cannot be uploaded: want its bytes")
	}
	return nil
}

// resumed goes on with the upload of a token: the file's resource says how far it
// is.
func (u *upload) resumed(ctx context.Context) error {
	t, err := u.unseal(ctx, u.start.GetResumeToken())
	if err != nil {
		return err
	}
	k := u.kinds().bySchema[t.Kind]
	if k == nil || t.Direct {
		return fault.New(fault.InvalidArgument, ReasonToken, "the token is of another method")
	}
	u.token = *t
	if err := u.claims.takeOver(ctx, t.ID, u.stop); err != nil {
		return err
	}
	u.res = &reservation{kind: k, id: t.ID, name: t.Name, size: t.Size, relation: t.By, owner: t.Owner, parent: t.Parent,
		app: t.App, ours: true}
	if u.res.resource, err = u.read(fresh(ctx), k, t.ID); err != nil {
		return u.gone(err)
	}
	cond := k.conditionOf(u.res.resource)
	u.isSent = cond.word != awaiting && cond.word != ""
	if u.digest, err = t.Digest.restore(); err != nil {
		return fault.New(fault.InvalidArgument, ReasonToken, "the token is of another release: begin again").WithCause(err)
	}
	return nil
}

// finish sends what Apple does not have, commits, and waits.
func (u *upload) finish(ctx context.Context) error {
	if !u.isSent {
		if err := u.sendAll(ctx); err != nil {
			return err
		}
		if err := u.sameBytes(); err != nil {
			return err
		}
		_, md5 := u.digest.sums()
		if err := u.commit(ctx, u.res, md5); err != nil {
			return err
		}
		u.isSent = true
	}
	if err := u.say(uploadsv1.PhaseEnum_COMMITTED, u.res.kind.conditionOf(u.res.resource).word); err != nil {
		return err
	}
	return u.wait(ctx)
}

// sameBytes says whether the bytes are those that the caller announced.
func (u *upload) sameBytes() error {
	sha, md5 := u.digest.sums()
	want := u.start.GetMd5()
	if u.token.SHA256 != "" && u.token.SHA256 != sha || md5 != "" && want != "" && !strings.EqualFold(md5, want) {
		return failed(ReasonChecksum, "the bytes are not those of the checksum that was announced: nothing was committed")
	}
	if u.scan == nil {
		return nil
	}
	u.scan.End()
	found, ok, err := u.scan.Build()
	switch {
	case ok:
		return u.named.same(found)
	case fault.As(err).Reason == inspect.ReasonTooLate:
		return nil // Apple compares
	}
	return u.complain([]inspect.Problem{{Code: fault.As(err).Reason, Message: fault.As(err).Message}})
}

// wait waits for what the caller wants to wait for.
func (u *upload) wait(ctx context.Context) error {
	if u.start.GetWaitFor() == uploadsv1.WaitForEnum_COMMITTED {
		return nil
	}
	if u.res.parent != "" {
		return u.awaitBuild(ctx)
	}
	return u.await(ctx, u.res, func(c condition) error { return u.say(uploadsv1.PhaseEnum_PROCESSING, c.word) })
}

// sendAll sends all parts that Apple does not have.
func (u *upload) sendAll(ctx context.Context) error {
	ops, expires, err := operationsOf(u.res.resource, u.token.Size)
	if err != nil {
		return err
	}
	if expires.IsZero() {
		expires = time.Now().Add(tokenLife)
	}
	u.token.Expires = expires.Unix()
	first := 0
	for first < len(ops) && ops[first].offset < u.token.Offset {
		first++
	}
	if first == len(ops) && u.token.Offset != u.token.Size || first < len(ops) && ops[first].offset != u.token.Offset {
		first, u.token.Offset = 0, 0 // Apple has cut the file in another way
		u.digest = newDigest(u.digest.md5 != nil)
		u.token.Digest = u.digest.state()
	}
	u.source.at = max(u.source.at, u.token.Offset)
	if err := u.say(uploadsv1.PhaseEnum_RESERVED, awaiting); err != nil {
		return err
	}
	s := &sender{Service: u.Service, file: u.file, digest: u.digest, ops: ops}
	s.moved = func(offset int64, d digestState) error {
		u.telling.Lock()
		u.token.Offset, u.token.Digest = offset, d
		u.telling.Unlock()
		return u.say(uploadsv1.PhaseEnum_SENDING, awaiting)
	}
	return s.send(ctx, first)
}

// sayEvery is how often the caller hears of bytes that have arrived.
const sayEvery = 200 * time.Millisecond

// say tells the caller how far the upload is.
func (u *upload) say(phase uploadsv1.PhaseEnum_Phase, state string) error {
	u.telling.Lock()
	defer u.telling.Unlock()
	if phase == u.last && phase == uploadsv1.PhaseEnum_SENDING && time.Since(u.told) < sayEvery {
		return nil
	}
	u.last, u.told = phase, time.Now()
	return u.tell(u.progress(phase, state))
}

// progress is what the caller hears. A token comes with it as long as there are
// bytes to be sent, and while Apple looks at them.
func (u *upload) progress(phase uploadsv1.PhaseEnum_Phase, state string) *uploadsv1.UploadProgress {
	p := &uploadsv1.UploadProgress{Phase: phase, Size: u.token.Size, CommittedSize: u.token.Offset, Id: u.token.ID,
		State: state, Warnings: u.warnings}
	if u.isSent {
		p.CommittedSize = u.token.Size
	}
	if u.token.ID != "" && u.token.Expires != 0 && !u.existed {
		p.ResumeToken = u.seal(u.bound, &u.token)
		p.ExpireTime = timestamppb.New(time.Unix(u.token.Expires, 0))
	}
	return p
}

// useless are the faults after which a reservation is of no use to anybody.
var useless = map[string]bool{
	ReasonTooLong: true, ReasonChecksum: true, ReasonOtherBuild: true, ReasonContent: true, ReasonFailed: true,
	ReasonOperations: true, transfer.ReasonExpired: true, transfer.ReasonRefused: true, transfer.ReasonForeignHost: true,
	transfer.ReasonRedirected: true, transfer.ReasonBadURL: true,
}

// broken deletes what cannot be finished, or tells the caller how to go on.
func (u *upload) broken(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errTakenOver) {
		return takenOver()
	}
	var f *fault.Error
	known := errors.As(err, &f)
	gone := ctx.Err() != nil || known && f.Kind == fault.Canceled
	if known && (f.Reason == transfer.ReasonExpired || f.Reason == transfer.ReasonRefused) && u.isElsewhere(ctx) {
		f = takenOver()
		err = f
	}
	refused := known && f.Reason == ReasonFailed && u.res.parent != "" // it stays, with Apple's words
	if known && useless[f.Reason] && !refused || u.start.GetOnce() && !u.isSent && gone {
		if u.abandon(ctx, u.res) && known {
			f.Message += "; the reservation was deleted"
		}
		return err
	}
	if known && u.token.Expires != 0 {
		if f.Metadata == nil {
			f.Metadata = map[string]string{}
		}
		u.telling.Lock()
		f.Metadata["resume_token"] = u.seal(u.bound, &u.token)
		f.Metadata["committed_size"] = fmt.Sprint(u.token.Offset)
		u.telling.Unlock()
	}
	return err
}

func takenOver() *fault.Error {
	return fault.New(fault.Canceled, ReasonTakenOver, "%s", errTakenOver.Error())
}

// isElsewhere says whether another process has committed the file: Apple takes no
// more parts then, and the file is not this call's to delete.
func (u *upload) isElsewhere(ctx context.Context) bool {
	if u.isSent {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	now, err := u.read(fresh(ctx), u.res.kind, u.res.id)
	if err != nil {
		return false
	}
	cond := u.res.kind.conditionOf(now)
	return cond.word != "" && cond.word != awaiting && !cond.failed
}

// gone is the error of a reservation that is not there any more.
func (u *upload) gone(err error) error {
	if isNotFound(err) {
		return failed(ReasonGone, "the reservation is no longer there: begin again")
	}
	return err
}
