package service

import (
	"context"
	"errors"
	"io"
	"strings"

	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Files implements ascgateway.files.v1.FileService.
type Files struct {
	filesv1.UnimplementedFileServiceServer
	engine *Engine
	team   func(context.Context) (string, error)
}

// NewFiles serves files through the engine, for the team that the context
// names.
func NewFiles(e *Engine, team func(context.Context) (string, error)) *Files {
	return &Files{engine: e, team: team}
}

// DownloadAnalyticsReportSegment implements the RPC.
func (f *Files) DownloadAnalyticsReportSegment(
	req *filesv1.DownloadAnalyticsReportSegmentRequest,
	stream filesv1.FileService_DownloadAnalyticsReportSegmentServer,
) error {
	team, err := f.team(stream.Context())
	if err != nil {
		return err
	}
	file, err := f.engine.OpenSegment(stream.Context(), team, req.GetId())
	if err != nil {
		return err
	}
	defer file.Body.Close()
	return file.parts(func(info *typesv1.FileInfo) error {
		return stream.Send(
			&filesv1.DownloadAnalyticsReportSegmentResponse{
				Part: &filesv1.DownloadAnalyticsReportSegmentResponse_Info{Info: info},
			},
		)
	}, func(data []byte) error {
		return stream.Send(
			&filesv1.DownloadAnalyticsReportSegmentResponse{
				Part: &filesv1.DownloadAnalyticsReportSegmentResponse_Data{Data: data},
			},
		)
	})
}

// OpenSegment opens the file behind a segment of an analytics report.
func (e *Engine) OpenSegment(ctx context.Context, team, id string) (*File, error) {
	m := e.Lookup(reportingv1.AnalyticsReportSegmentsService_GetAnalyticsReportSegment_FullMethodName)
	res, err := e.Unary(ctx, team, m, &reportingv1.GetAnalyticsReportSegmentRequest{Id: id})
	if err != nil {
		return nil, err
	}
	url := res.(*reportingv1.GetAnalyticsReportSegmentResponse).GetAnalyticsReportSegment().GetUrl()
	if url == "" {
		return nil, fault.New(fault.FailedPrecondition, "NO_FILE", "the segment has no file yet")
	}
	f, err := e.upstream.OpenURL(ctx, url)
	if err != nil {
		return nil, err
	}
	return newFile(m, f), nil
}

// File is an open file with a name for it.
type File struct {
	*asc.File
	Filename string
}

// newFile names a file as Apple does, else for its operation.
func newFile(m *Method, f *asc.File) *File {
	name := f.Name()
	if name == "" {
		name = filename(m, f.ContentType)
	}
	return &File{File: f, Filename: name}
}

// info is what is known of a file before its bytes.
func (f *File) info() *typesv1.FileInfo {
	info := &typesv1.FileInfo{ContentType: f.ContentType, Filename: f.Filename, ContentEncoding: f.Encoding,
		ReportVersion: f.ReportVersion(), RequestId: f.RequestID(), ReportHeaders: f.Reports()}
	if f.Length >= 0 {
		info.Size = &f.Length
	}
	return info
}

// FileOf is a file without its bytes, of what was told of it.
func FileOf(info *typesv1.FileInfo) *File {
	f := &asc.File{ContentType: info.GetContentType(), Encoding: info.GetContentEncoding(), Length: -1}
	if info.Size != nil {
		f.Length = info.GetSize()
	}
	return &File{File: f, Filename: info.GetFilename()}
}

// parts tells what is known of a file, and then its bytes in chunks.
func (f *File) parts(describe func(*typesv1.FileInfo) error, chunk func([]byte) error) error {
	if err := describe(f.info()); err != nil {
		return err
	}
	for {
		buf := make([]byte, ChunkBytes) // the receiver may keep it
		n, err := io.ReadFull(f.Body, buf)
		if n > 0 {
			if err := chunk(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// filename names a file for its operation and its kind, where Apple does not.
func filename(m *Method, contentType string) string {
	name, _, _ := strings.Cut(m.Options.GetOperationId(), "_get")
	name = strings.ReplaceAll(name, "_", "-")
	switch {
	case strings.Contains(contentType, "gzip"):
		return name + ".txt.gz"
	case strings.Contains(contentType, "csv"):
		return name + ".csv"
	case strings.Contains(contentType, "json"):
		return name + ".json"
	}
	return name + ".bin"
}
