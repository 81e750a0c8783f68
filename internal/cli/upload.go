package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

const uploadExitHelp = exitHelp + `

Of an upload:
 10  Apple has refused the file   12  the plan is stale: plan again`

const uploadHelp = `Upload builds, screenshots and any other file of App Store Connect's.

An upload that is interrupted goes on where it was: give the same command again. What that needs is kept in the user's
cache folder until the upload has ended.

` + uploadExitHelp

func uploadCommand(d Deps) *cobra.Command {
	cmd := &cobra.Command{Use: "upload", Short: "Upload builds, screenshots and other files", Long: uploadHelp}
	cmd.AddCommand(uploadBuildCommand(d), uploadScreenshotsCommand(d), uploadFileCommand(d))
	return cmd
}

// uploader is one run of a command that uploads one file.
type uploader struct {
	asker
	wait, strict bool
}

func (u *uploader) flags(cmd *cobra.Command, wait bool, waitSays string) {
	u.asker.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&u.wait, "wait", wait, waitSays)
	f.BoolVar(&u.strict, "strict", false, "a file that is not as Apple wants it is an error, not a warning")
}

// upload sends a file and shows how far it is.
func (u *uploader) upload(
	ctx context.Context, conn *grpc.ClientConn, f *sendFile, start *uploadsv1.UploadStart,
) (*uploadsv1.UploadResult, error) {
	kept, err := u.tokenFor(f, start.GetTarget())
	if err != nil {
		return nil, err
	}
	shown := newMeters(u.stderr)
	s := &sender{conn: conn, file: f, start: start, kept: kept, say: shown.say, tries: tries, wait: firstWait}
	told := &warned{say: shown.say}
	if u.json {
		lines := &progressLines{w: u.stdout}
		s.show = func(p *uploadsv1.UploadProgress) { told.tell(p.GetWarnings()); lines.progress(p) }
	} else {
		one := shown.add(f.base(), f.size())
		defer shown.end()
		defer one.end()
		s.show = func(p *uploadsv1.UploadProgress) {
			told.tell(p.GetWarnings())
			one.set(p.GetCommittedSize(), phaseText(p))
		}
	}
	res, err := s.run(ctx)
	if err != nil {
		return nil, err
	}
	told.tell(res.GetWarnings())
	if u.json {
		err = writeLine(
			u.stdout,
			(&uploadsv1.UploadResponse{Part: &uploadsv1.UploadResponse_Result{Result: res}}).ProtoReflect(),
		)
	}
	return res, err
}

// phaseText is what is being done, and Apple's word for it while Apple does it.
func phaseText(p *uploadsv1.UploadProgress) string {
	if p.GetPhase() == uploadsv1.PhaseEnum_PROCESSING && p.GetState() != "" {
		return "processing: " + p.GetState()
	}
	return p.GetPhase().String()
}

// warned tells each warning once.
type warned struct {
	say  func(format string, args ...any)
	told map[string]bool
}

func (w *warned) tell(list []*uploadsv1.Warning) {
	for _, one := range list {
		text := one.GetCode() + ": " + one.GetMessage()
		if w.told[text] {
			continue
		}
		if w.told == nil {
			w.told = map[string]bool{}
		}
		w.told[text] = true
		w.say("warning  %s", text)
	}
}

// progressLines writes progress as JSON, a line each: when the phase or the state
// changes, and now and then between.
type progressLines struct {
	w    io.Writer
	last string
	at   time.Time
}

func (l *progressLines) progress(p *uploadsv1.UploadProgress) {
	what := fmt.Sprint(p.GetPhase(), p.GetState())
	if what == l.last && time.Since(l.at) < linesEvery {
		return
	}
	l.last, l.at = what, time.Now()
	p = proto.CloneOf(p)
	p.ResumeToken, p.ExpireTime = "", nil // it is kept in a file; a log is no place for it
	_ = writeLine(
		l.w,
		(&uploadsv1.UploadResponse{Part: &uploadsv1.UploadResponse_Progress{Progress: p}}).ProtoReflect(),
	)
}
