package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// asItIs says whether a plan was made, and nothing is to be done.
func (p *shotPlace) asItIs() bool {
	return p.planned != nil && len(p.planned.GetPlan().GetChanges()) == 0
}

// writePlan writes what would be done to a set, for people.
func (p *shotPlace) writePlan(w io.Writer) error {
	if p.asItIs() {
		_, err := fmt.Fprintf(w, "%v: nothing is to be done\n", p)
		return err
	}
	fmt.Fprintf(w, "%v: ", p)
	return writePlan(w, p.planned.GetPlan())
}

// line writes something about a set as JSON, on one line.
func (c *shotUploader) line(p *shotPlace, name string, m protoreflect.Message) error {
	b, err := appendJSON(nil, m)
	if err != nil {
		return err
	}
	return c.jsonLine(p, name, json.RawMessage(b))
}

func (c *shotUploader) jsonLine(p *shotPlace, name string, value any) error {
	b, err := json.Marshal(map[string]any{"locale": p.locale, "displayType": p.display, name: value})
	if err == nil {
		_, err = c.stdout.Write(append(b, '\n'))
	}
	return err
}

// replaceAll makes all sets those of the files. A set that fails does not hold up
// the others.
func (c *shotUploader) replaceAll(ctx context.Context, conn *grpc.ClientConn) error {
	shown := newMeters(c.stderr)
	err := c.each(ctx, func(ctx context.Context, p *shotPlace) error {
		p.result, p.err = c.replace(ctx, conn, p, shown)
		if p.err != nil {
			shown.say("%v: failed: %v", p, p.err)
		}
		return ctx.Err()
	})
	shown.end()
	failed := c.summary()
	if ctx.Err() != nil {
		return &ended{"interrupted: the same command does the rest", ExitInterrupted}
	}
	return cmp.Or(failed, err)
}

// replace makes one set those of the files, again where the connection breaks: what
// is done is found by then.
func (c *shotUploader) replace(
	ctx context.Context, conn *grpc.ClientConn, p *shotPlace, shown *meters,
) (*uploadsv1.ReplaceAssetsResult, error) {
	if p.asItIs() {
		return &uploadsv1.ReplaceAssetsResult{}, nil
	}
	etag := p.planned.GetPlan().GetEtag()
	for failed := 0; ; failed++ {
		res, err := c.replaceOnce(ctx, conn, p, etag, shown)
		reason, _ := whyBroken(err)
		switch {
		case err == nil:
			return res, nil
		case ctx.Err() != nil:
			return nil, &ended{"interrupted", ExitInterrupted}
		case !p.begun || failed >= tries || !worthWaiting(err):
			if local := onlyLocal(err); local != nil {
				return nil, local
			}
			err = answered(uploadsv1.UploadService_ReplaceAssets_FullMethodName, err)
			if e, ok := err.(*callError); ok && reason == uploadFailed {
				e.exit = ExitOperation
			}
			return nil, err
		case failed == 0:
			shown.say("%v: the connection is lost: trying again", p)
		}
		etag = "" // the set may have changed, by what was done
		if !reconnectAfter(ctx, conn, err, failed, firstWait) {
			return nil, &ended{"interrupted", ExitInterrupted}
		}
	}
}

type replaceStream = grpc.BidiStreamingClient[uploadsv1.ReplaceAssetsRequest, uploadsv1.ReplaceAssetsResponse]

// replaceOnce is one call.
func (c *shotUploader) replaceOnce(
	ctx context.Context, conn *grpc.ClientConn, p *shotPlace, etag string, shown *meters,
) (*uploadsv1.ReplaceAssetsResult, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, err := uploadsv1.NewUploadServiceClient(conn).ReplaceAssets(ctx)
	if err != nil {
		return nil, err
	}
	start := &uploadsv1.ReplaceAssetsStart{Place: p.place(), Files: p.files(), PlanEtag: etag, Strict: c.strict}
	_ = stream.Send(
		&uploadsv1.ReplaceAssetsRequest{Part: &uploadsv1.ReplaceAssetsRequest_Start{Start: start}},
	) // Recv tells
	m, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	p.begun = true
	wanted := m.GetPlan().GetWanted()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if err := onlyLocal(p.send(stream, wanted)); err != nil {
			cancel(err)
		}
	}()
	res, err := p.receive(stream, wanted, shown)
	if err != nil {
		cancel(nil)
	}
	<-sent
	if local := onlyLocal(context.Cause(ctx)); err != nil && local != nil {
		err = local
	}
	return res, err
}

// send sends the files that the gateway wants, in its order.
func (p *shotPlace) send(stream replaceStream, wanted []int32) error {
	for _, i := range wanted {
		if i < 0 || int(i) >= len(p.pictures) {
			return &localError{fmt.Errorf("the gateway wants file %d of %d: is it newer?", i, len(p.pictures))}
		}
		err := p.pictures[i].send(func(offset int64, b []byte) error {
			return stream.Send(&uploadsv1.ReplaceAssetsRequest{Part: &uploadsv1.ReplaceAssetsRequest_Data{
				Data: &uploadsv1.AssetData{File: i, WriteOffset: offset, Data: b}}})
		})
		if err != nil {
			return err
		}
	}
	return stream.CloseSend()
}

// send gives the picture in pieces. One that has another size than before has
// changed; other bytes of the same number are found by their MD5.
func (p *picture) send(to func(offset int64, b []byte) error) error {
	f, err := openFile(p.path)
	if err != nil {
		return &localError{&changedError{p.path}}
	}
	defer f.Close()
	if f.size() != p.file.GetFileSize() {
		return &localError{&changedError{p.path}}
	}
	return f.pieces(0, to)
}

// receive reads what the gateway says, until the set is as it should be.
func (p *shotPlace) receive(
	stream replaceStream,
	wanted []int32,
	shown *meters,
) (*uploadsv1.ReplaceAssetsResult, error) {
	var size int64
	for _, i := range wanted {
		if i >= 0 && int(i) < len(p.pictures) {
			size += p.pictures[i].file.GetFileSize()
		}
	}
	at := map[int32]int64{}
	var one *meter
	if size > 0 {
		one = shown.add(p.String(), size)
		defer one.end()
	}
	for {
		m, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil, status.Error(
				codes.Unavailable,
				"the gateway ended the answer before the screenshots were there",
			)
		case err != nil:
			return nil, err
		case m.GetResult() != nil:
			return m.GetResult(), nil
		}
		if one == nil || m.GetProgress() == nil {
			continue
		}
		at[m.GetProgress().GetFile()] = m.GetProgress().GetProgress().GetCommittedSize()
		var n int64
		for _, bytes := range at {
			n += bytes
		}
		word := "sending"
		if n >= size {
			word = "processing"
		}
		one.set(n, word)
	}
}

// summary tells what became of each set. Its error is that of the first that failed.
func (c *shotUploader) summary() (err error) {
	rows := [][]string{{"LOCALE", "DISPLAY TYPE", "FILES", "UPLOADED", "DELETED", "KEPT", "REQUESTS", "OUTCOME"}}
	var failed []error
	for _, p := range c.places {
		switch {
		case p.err != nil && c.json:
			err = c.jsonLine(p, "error", asJSON(p.err))
		case p.result != nil && c.json:
			err = c.line(p, "result", p.result.ProtoReflect())
		}
		if err != nil {
			return err
		}
		if p.err != nil {
			failed = append(failed, p.err)
		}
		rows = append(rows, p.row())
	}
	if !c.json {
		if err := grid(c.stdout, rows...); err != nil {
			return err
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &ended{fmt.Sprintf("%d of %d sets failed: the same command does the rest", len(failed), len(c.places)),
		ExitCode(failed[0])}
}

// asJSON is an error as a value that tells it all in JSON.
func asJSON(err error) any {
	var e *callError
	if errors.As(err, &e) {
		return e
	}
	return map[string]string{"message": err.Error()}
}

// row is what became of a set, for the table.
func (p *shotPlace) row() []string {
	n := fmt.Sprint(len(p.pictures))
	switch r := p.result; {
	case p.err != nil:
		return []string{p.locale, p.display, n, "", "", "", "", "failed"}
	case p.asItIs():
		return []string{p.locale, p.display, n, "0", "0", n, "", "as it was"}
	case r == nil:
		return []string{p.locale, p.display, n, "", "", "", "", "not begun"}
	default:
		outcome := "done"
		if r.GetReordered() {
			outcome = "done, in order"
		}
		return []string{p.locale, p.display, n, fmt.Sprint(r.GetUploaded()), fmt.Sprint(r.GetDeleted()),
			fmt.Sprint(len(p.pictures) - int(r.GetUploaded())), fmt.Sprint(r.GetRequests()), outcome}
	}
}
