package cli

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/asc-gateway/asc-gateway/client"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Reasons of the gateway's that decide how an upload goes on.
const (
	tokenInvalid    = "INVALID_RESUME_TOKEN"
	uploadGone      = "UPLOAD_GONE"
	uploadTakenOver = "UPLOAD_TAKEN_OVER"
	uploadFailed    = "UPLOAD_FAILED"
)

// sender sends one file, and goes on with it after a break.
type sender struct {
	conn  *grpc.ClientConn
	file  *sendFile
	start *uploadsv1.UploadStart // without a token
	kept  *tokenFile
	show  func(*uploadsv1.UploadProgress)
	say   func(format string, args ...any)
	tries int
	wait  time.Duration // after the first failure

	token  keptToken
	seen   int // progress that has come
	unkept bool
	summed bool
}

// run sends the file, again and again where the connection breaks.
func (s *sender) run(ctx context.Context) (*uploadsv1.UploadResult, error) {
	if s.token = s.kept.read(); s.token.Token != "" {
		s.say("an upload of this file was interrupted: it goes on")
	}
	for failed := 0; ; failed++ {
		before := s.seen
		res, err := s.once(ctx)
		if err == nil {
			s.kept.remove()
			return res, nil
		}
		if s.seen > before {
			failed = 0
		}
		again, err := s.judge(ctx, err, failed)
		if !again {
			return nil, err
		}
	}
}

// judge says whether an upload that broke is to be tried again, and pauses before
// that. Else the error is how it ends.
func (s *sender) judge(ctx context.Context, err error, failed int) (again bool, _ error) {
	reason, token := whyBroken(err)
	if token.Token != "" {
		s.keep(token)
	}
	var local *localError
	var changed *changedError
	switch {
	case ctx.Err() != nil:
		return false, s.interrupted()
	case errors.As(err, &changed):
		s.abandon(ctx)
		s.kept.remove()
		return false, changed
	case errors.As(err, &local):
		return false, local
	case s.token.Token != "" && (reason == tokenInvalid || reason == uploadGone):
		s.say("it cannot go on (%s): it begins anew", reason)
		s.kept.remove()
		s.token = keptToken{}
		return true, nil
	case reason != uploadTakenOver && s.seen > 0 && failed < s.tries && worthWaiting(err):
		if failed == 0 {
			s.say("the connection is lost: trying again")
		}
		again := reconnectAfter(ctx, s.conn, err, failed, s.wait)
		return again, s.interrupted()
	}
	final := answered(uploadsv1.UploadService_Upload_FullMethodName, err)
	var e *callError
	if !errors.As(final, &e) {
		return false, err
	}
	switch {
	case reason == uploadFailed:
		e.exit = ExitOperation
		fallthrough
	case reason != "" && token.Token == "" && e.exit != ExitDenied && !comesBack(err):
		s.kept.remove() // the gateway does not offer to go on
	case reason == uploadTakenOver:
		e.exit = ExitConflict
	case s.token.Token != "":
		e.Hints = append(e.Hints, s.goesOn())
	}
	return false, e
}

// retryMost is how long a command waits where the gateway says how long it has no
// room.
const retryMost = time.Minute

// worthWaiting says whether a call that broke may go well soon.
func worthWaiting(err error) bool {
	wait, _ := client.RetryAfter(err)
	return comesBack(err) && wait <= retryMost
}

// reconnectAfter is [reconnect], not before the gateway wants to be asked again. It
// says whether nobody has interrupted it.
func reconnectAfter(ctx context.Context, conn *grpc.ClientConn, err error, failed int, first time.Duration) bool {
	if wait, _ := client.RetryAfter(err); wait > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	reconnect(ctx, conn, failed, first)
	return ctx.Err() == nil
}

// goesOn tells what can be done after a break.
func (s *sender) goesOn() string {
	return "the same command goes on, from " + bytesText(s.token.Committed) + " of " + bytesText(s.file.size())
}

// interrupted is the end of a command that somebody interrupts.
func (s *sender) interrupted() error {
	text := "interrupted"
	if s.token.Token != "" {
		text += ": " + s.goesOn()
	}
	return &ended{text, ExitInterrupted}
}

// whyBroken is the reason of an error, and the token that comes with it.
func whyBroken(err error) (reason string, token keptToken) {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && reason == "" {
			reason, token.Token = info.GetReason(), info.GetMetadata()["resume_token"]
			token.Committed, _ = strconv.ParseInt(info.GetMetadata()["committed_size"], 10, 64)
		}
	}
	return reason, token
}

// keep keeps a token. Where it cannot be kept, the upload goes on all the same.
func (s *sender) keep(k keptToken) {
	if s.token == k {
		return
	}
	s.token = k
	if err := s.kept.write(k); err != nil && !s.unkept {
		s.unkept = true
		s.say("after an interruption it will begin anew: %v", err)
	}
}

// once is one call. It goes on with the token, if there is one.
func (s *sender) once(ctx context.Context) (*uploadsv1.UploadResult, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	start, err := s.first(ctx)
	if err != nil {
		return nil, err
	}
	stream, err := uploadsv1.NewUploadServiceClient(s.conn).Upload(ctx)
	if err != nil {
		return nil, err
	}
	from := make(chan int64, 1) // where the data begins
	if start.GetResumeToken() == "" {
		from <- 0
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if err := s.send(ctx, stream, start, from); err != nil {
			cancel(err)
		}
	}()
	res, err := s.receive(stream, start.GetResumeToken() != "", from)
	if err != nil {
		cancel(nil) // what is being sent ends too
	}
	<-sent
	if local := onlyLocal(context.Cause(ctx)); err != nil && local != nil {
		err = local
	}
	return res, err
}

// first is the first message. The sums of the file are told once, with the start
// of the upload: other bytes are not committed then.
func (s *sender) first(ctx context.Context) (*uploadsv1.UploadStart, error) {
	if s.token.Token != "" {
		return &uploadsv1.UploadStart{
			ResumeToken: s.token.Token,
			WaitFor:     s.start.GetWaitFor(),
			Strict:      s.start.GetStrict(),
		}, nil
	}
	if !s.summed {
		sha, sum, err := s.file.sums(ctx)
		if err != nil {
			return nil, err
		}
		s.start.Sha256, s.start.Md5, s.summed = sha, sum, true
	}
	return s.start, nil
}

type uploadStream = grpc.BidiStreamingClient[uploadsv1.UploadRequest, uploadsv1.UploadResponse]

// send sends the start, and the data as soon as it is known where it begins.
func (s *sender) send(ctx context.Context, stream uploadStream, start *uploadsv1.UploadStart, from <-chan int64) error {
	if stream.Send(&uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Start{Start: start}}) != nil {
		return nil // Recv tells
	}
	var offset int64
	select {
	case <-ctx.Done():
		return nil
	case offset = <-from:
	}
	err := s.file.pieces(offset, func(offset int64, b []byte) error {
		return stream.Send(&uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Data{
			Data: &uploadsv1.Data{WriteOffset: offset, Data: b}}})
	})
	if err == nil {
		err = stream.CloseSend()
	}
	return onlyLocal(err)
}

// onlyLocal leaves out what Recv tells as well.
func onlyLocal(err error) error {
	var local *localError
	if errors.As(err, &local) {
		return local
	}
	return nil
}

// receive reads what the gateway says. The first word about an upload that goes on
// says from where.
func (s *sender) receive(stream uploadStream, resumes bool, from chan<- int64) (*uploadsv1.UploadResult, error) {
	for {
		m, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil, status.Error(codes.Unavailable, "the gateway ended the answer before the upload was done")
		case err != nil:
			return nil, err
		case m.GetResult() != nil:
			return m.GetResult(), nil
		}
		p := m.GetProgress()
		s.seen++
		if p.GetResumeToken() != "" {
			s.keep(keptToken{p.GetResumeToken(), p.GetCommittedSize()})
		}
		if resumes {
			resumes = false
			from <- p.GetCommittedSize()
		}
		s.show(p)
	}
}

// abandon has the gateway delete what is half done: it does so when somebody leaves
// who has said that he would not come back.
func (s *sender) abandon(ctx context.Context) {
	if s.token.Token == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	stream, err := uploadsv1.NewUploadServiceClient(s.conn).Upload(ctx)
	if err != nil {
		return
	}
	start := &uploadsv1.UploadStart{ResumeToken: s.token.Token, Once: true}
	if stream.Send(&uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Start{Start: start}}) == nil {
		_, _ = stream.Recv() // it has taken the upload over
	}
}
