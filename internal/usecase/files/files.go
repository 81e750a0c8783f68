// Package files reads the files that fields of Apple's resources point to: a program
// against the gateway's own API, with the rights of who asked. Which resources can be
// read, and which of their fields hold a file, is found by the descriptors.
package files

import (
	"context"
	"errors"
	"io"
	"mime"
	"path"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Reasons.
const (
	ReasonNoFile  = "NO_FILE"         // the field is empty
	ReasonBroke   = "FILE_BROKE_OFF"  // fewer bytes came than were told
	ReasonUnnamed = "NO_SUCH_FILE"    // no resource of the type can be read, or its field holds no file
	ReasonForeign = "FILE_NOT_APPLES" // the team wrote the URL
)

const (
	chunkBytes = 64 << 10
	// maxBytes bounds a file: archives of Xcode Cloud have some GB.
	maxBytes = 32 << 30
	// maxName bounds a file's name, as file systems do.
	maxName = 255
)

// Opener opens the files behind URLs.
type Opener interface {
	Open(ctx context.Context, link string) (*transfer.File, error)
}

// Deps of a service.
type Deps struct {
	Conn   grpc.ClientConnInterface // by which it calls the gateway
	Opener Opener
}

// Service downloads files.
type Service struct{ Deps }

// New makes the service.
func New(d Deps) *Service { return &Service{d} }

// kinds are read from the descriptors when a file is first asked for: by type, the
// newest version of the API first.
var kinds = sync.OnceValues(findKinds)

// DownloadFile implements the RPC of ascgateway.files.v1.FileService.
func (s *Service) DownloadFile(
	req *filesv1.DownloadFileRequest, stream grpc.ServerStreamingServer[filesv1.DownloadFileResponse],
) error {
	k, fd, err := s.find(req)
	if err != nil {
		return err
	}
	ctx := stream.Context()
	res := k.out.New()
	ask := k.in.New()
	ask.Set(ask.Descriptor().Fields().ByName("id"), protoreflect.ValueOfString(req.GetId()))
	if err := s.Conn.Invoke(ctx, k.method, ask.Interface(), res.Interface()); err != nil {
		return err
	}
	resource := res.Get(k.data).Message()
	what, err := located(resource, fd, int(req.GetIndex()))
	if err != nil {
		return err
	}
	f := &transfer.File{Body: io.NopCloser(strings.NewReader(what)), Length: int64(len(what)),
		ContentType: "text/plain; charset=utf-8"}
	if fd.Name() != logText {
		if f, err = s.Opener.Open(ctx, what); err != nil {
			return err
		}
	}
	defer f.Body.Close()
	return send(stream, f, filename(f, resource, req))
}

// send sends what is known of a file, and then its bytes.
func send(
	stream grpc.ServerStreamingServer[filesv1.DownloadFileResponse], f *transfer.File, name string,
) error {
	tooLarge := fault.New(fault.FailedPrecondition, fault.ReasonUpstreamTooLarge,
		"the file is larger than the gateway passes on: at most %d bytes", int64(maxBytes))
	if f.Length > maxBytes {
		return tooLarge
	}
	info := &typesv1.FileInfo{ContentType: f.ContentType, Filename: name, ContentEncoding: f.Encoding}
	if info.ContentType == "" {
		info.ContentType = "application/octet-stream"
	}
	if f.Length >= 0 {
		info.Size = &f.Length
	}
	err := stream.Send(&filesv1.DownloadFileResponse{Part: &filesv1.DownloadFileResponse_Info{Info: info}})
	for left := int64(maxBytes); err == nil; {
		buf := make([]byte, chunkBytes) // the receiver may keep it
		n, rerr := io.ReadFull(f.Body, buf)
		if left -= int64(n); left < 0 {
			return tooLarge
		}
		if n > 0 {
			err = stream.Send(&filesv1.DownloadFileResponse{Part: &filesv1.DownloadFileResponse_Data{Data: buf[:n]}})
		}
		// io.ReadFull says ErrUnexpectedEOF of a last chunk, and of a body that broke off:
		// another read tells them apart.
		if errors.Is(rerr, io.ErrUnexpectedEOF) {
			_, rerr = f.Body.Read(buf[:1])
		}
		if errors.Is(rerr, io.EOF) {
			return err
		}
		if rerr != nil {
			return fault.New(fault.Unavailable, ReasonBroke, "the file broke off").WithCause(rerr)
		}
	}
	return err
}

// filename is a name to store a file under: that of the resource, or of its host,
// or what was asked for.
func filename(f *transfer.File, resource protoreflect.Message, req *filesv1.DownloadFileRequest) string {
	_, params, _ := mime.ParseMediaType(f.Disposition) // what cannot be read has no name
	for _, name := range []string{text(resource, "file_name"), params["filename"]} {
		if storable(name) {
			return name
		}
	}
	media, _, _ := mime.ParseMediaType(f.ContentType)
	return strings.Map(plain, req.GetType()+"-"+req.GetId()+"-"+req.GetField()) + extension(media)
}

// storable says whether a name is one of a file in a folder, on every system.
func storable(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && name == path.Base(name) &&
		strings.Trim(
			name,
			".",
		) != "" && !strings.ContainsAny(name, `/\:*?"<>|`) && !strings.ContainsFunc(name, unicode.IsControl)
}

func plain(r rune) rune {
	if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '.' || r == '_') {
		return r
	}
	return '_'
}

// extension is that of files of a media type.
func extension(media string) string {
	switch media {
	case "text/plain":
		return ".txt"
	case "image/jpeg":
		return ".jpg"
	case "image/png":
		return ".png"
	case "application/zip":
		return ".zip"
	case "application/gzip", "application/x-gzip", "application/a-gzip":
		return ".gz"
	case "application/pdf":
		return ".pdf"
	}
	return ".bin"
}

// text is a field of text, "" if there is no such field.
func text(m protoreflect.Message, name protoreflect.Name) string {
	fd := m.Descriptor().Fields().ByName(name)
	if fd == nil || fd.Kind() != protoreflect.StringKind || fd.IsList() || fd.IsMap() {
		return ""
	}
	return m.Get(fd).String()
}
