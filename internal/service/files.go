package service

import (
	"context"

	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
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
func (f *Files) DownloadAnalyticsReportSegment(req *filesv1.DownloadAnalyticsReportSegmentRequest, stream filesv1.FileService_DownloadAnalyticsReportSegmentServer) error {
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
		return stream.Send(&filesv1.DownloadAnalyticsReportSegmentResponse{Part: &filesv1.DownloadAnalyticsReportSegmentResponse_Info{Info: info}})
	}, func(data []byte) error {
		return stream.Send(&filesv1.DownloadAnalyticsReportSegmentResponse{Part: &filesv1.DownloadAnalyticsReportSegmentResponse_Data{Data: data}})
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
	return &File{File: f, Filename: filename(m, f.ContentType)}, nil
}
