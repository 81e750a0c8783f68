package reports

import (
	"context"
	"encoding/json"
	"slices"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

var diagnosticTypes = []string{"HANGS", "DISK_WRITES", "LAUNCHES"}

// StreamDiagnostics implements the RPC.
func (s *Service) StreamDiagnostics(
	req *reportsv1.StreamDiagnosticsRequest,
	stream grpc.ServerStreamingServer[reportsv1.StreamDiagnosticsResponse],
) error {
	if err := checkDiagnostics(req); err != nil {
		return err
	}
	ctx := stream.Context()
	list, err := s.signatures(ctx, req)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return stream.Send(&reportsv1.StreamDiagnosticsResponse{File: &reportsv1.ReportFile{ReportType: diagnostics,
			ReportSubType: req.GetDiagnosticType(), State: reportsv1.ReportStateEnum_EMPTY}})
	}
	for _, signature := range list {
		if err := s.signature(ctx, req, signature, stream); err != nil {
			return err
		}
	}
	return nil
}

func checkDiagnostics(r *reportsv1.StreamDiagnosticsRequest) error {
	if err := check(bound{"build", r.GetBuild(), 64, true},
		bound{"diagnostic_type", r.GetDiagnosticType(), 32, false}); err != nil {
		return err
	}
	if t := r.GetDiagnosticType(); t != "" && !slices.Contains(diagnosticTypes, t) {
		return fault.Invalid("diagnostic_type", "want one of %s", words(diagnosticTypes))
	}
	if r.GetLogs() < 0 || r.GetLogs() > pageMost {
		return fault.Invalid("logs", "want 1 to %d", pageMost)
	}
	return nil
}

// signatures lists those of a build.
func (s *Service) signatures(
	ctx context.Context, req *reportsv1.StreamDiagnosticsRequest,
) (list []*resourcesv1.DiagnosticSignature, err error) {
	ask := &testflightv1.ListBuildDiagnosticSignaturesRequest{Id: req.GetBuild(), PageSize: pageMost}
	if t := req.GetDiagnosticType(); t != "" {
		ask.Filter = &testflightv1.ListBuildDiagnosticSignaturesRequest_Filter{
			DiagnosticType: []enumsv1.DiagnosticSignatureDiagnosticTypeEnum_DiagnosticSignatureDiagnosticType{
				enumsv1.DiagnosticSignatureDiagnosticTypeEnum_DiagnosticSignatureDiagnosticType(
					enumsv1.DiagnosticSignatureDiagnosticTypeEnum_DiagnosticSignatureDiagnosticType_value[t])}}
	}
	client := testflightv1.NewBuildsServiceClient(s.Conn)
	for range pagesMost {
		res, err := client.ListBuildDiagnosticSignatures(ctx, ask)
		if err != nil {
			return nil, err
		}
		list = append(list, res.GetDiagnosticSignatures()...)
		if ask.PageToken = res.GetNextPageToken(); ask.PageToken == "" {
			break
		}
	}
	return list, nil
}

// signature reads the logs of one.
func (s *Service) signature(
	ctx context.Context, req *reportsv1.StreamDiagnosticsRequest, of *resourcesv1.DiagnosticSignature,
	stream grpc.ServerStreamingServer[reportsv1.StreamDiagnosticsResponse],
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := reportingv1.NewDiagnosticSignaturesServiceClient(s.Conn)
	d := fetch(ctx, func(ctx context.Context) (func() (part, error), error) {
		logs, err := client.ListDiagnosticSignatureLogs(ctx,
			&reportingv1.ListDiagnosticSignatureLogsRequest{Id: of.GetId(), PageSize: req.GetLogs()})
		if err != nil {
			return nil, err
		}
		return func() (part, error) { return logs.Recv() }, nil
	})
	if err := d.wait(ctx); err != nil {
		return err
	}
	head := &reportsv1.DiagnosticRow{SignatureId: of.GetId(), DiagnosticType: of.GetDiagnosticType().String(),
		Signature: of.GetSignature(), Weight: number(of.Weight)}
	res := &reportsv1.StreamDiagnosticsResponse{File: &reportsv1.ReportFile{ReportType: diagnostics,
		ReportSubType: head.DiagnosticType, Instance: of.GetId(), Filename: d.info.GetFilename(),
		State: reportsv1.ReportStateEnum_PRESENT}}
	size, some := 0, false
	err := readLogs(d, func(l *diagnosticLog) error {
		row := l.row(head)
		some = true
		if n := proto.Size(row); len(res.Diagnostics) > 0 &&
			(size+n > batchBytes || len(res.Diagnostics) >= batchRows) {
			if err := stream.Send(res); err != nil {
				return err
			}
			res, size = &reportsv1.StreamDiagnosticsResponse{}, 0
		}
		res.Diagnostics, size = append(res.Diagnostics, row), size+proto.Size(row)
		return nil
	})
	if err != nil {
		return err
	}
	if !some {
		res.Diagnostics = append(res.Diagnostics, head)
	}
	return stream.Send(res)
}

// diagnosticLog is a log of a signature, as Apple gives it.
type diagnosticLog struct {
	MetaData map[string]json.RawMessage `json:"diagnosticMetaData"`
	Stacks   json.RawMessage            `json:"callStackTree"`
}

// row is the log as a row. head has what all logs of its signature share.
func (l *diagnosticLog) row(head *reportsv1.DiagnosticRow) *reportsv1.DiagnosticRow {
	row := proto.CloneOf(head)
	for name, to := range map[string]*string{
		"bundleId": &row.BundleId, "appVersion": &row.AppVersion, "buildVersion": &row.BuildVersion,
		"event": &row.Event, "eventDetail": &row.EventDetail, "osVersion": &row.OsVersion,
		"deviceType": &row.DeviceType, "platformArchitecture": &row.PlatformArchitecture,
		"writesCaused": &row.WritesCaused,
	} {
		*to = plainText(l.MetaData[name])
		delete(l.MetaData, name)
	}
	for name, value := range l.MetaData {
		if row.Extra == nil {
			row.Extra = map[string]string{}
		}
		row.Extra[name] = plainText(value)
	}
	if string(l.Stacks) != "null" {
		row.CallStacks = string(l.Stacks)
	}
	if f := blamed(l.Stacks); f != nil {
		row.BlamedBinary, row.BlamedSymbol = f.BinaryName, f.SymbolName
	}
	return row
}

// plainText is a JSON value as text: a string without its quotes.
func plainText(value json.RawMessage) string {
	var s *string
	if json.Unmarshal(value, &s) == nil {
		if s == nil {
			return ""
		}
		return *s
	}
	return string(value)
}

// frame is a call of a stack.
type frame struct {
	SymbolName   string  `json:"symbolName"`
	BinaryName   string  `json:"binaryName"`
	IsBlameFrame bool    `json:"isBlameFrame"`
	SubFrames    []frame `json:"subFrames"`
}

// blamed is the frame that Apple blames, nil if it blames none.
func blamed(stacks json.RawMessage) *frame {
	var trees []struct {
		CallStacks []struct {
			RootFrames []frame `json:"callStackRootFrames"`
		} `json:"callStacks"`
	}
	if json.Unmarshal(stacks, &trees) != nil {
		return nil // the rows have it as it is
	}
	for _, tree := range trees {
		for _, stack := range tree.CallStacks {
			if f := blamedOf(stack.RootFrames); f != nil {
				return f
			}
		}
	}
	return nil
}

func blamedOf(frames []frame) *frame {
	for i := range frames {
		if frames[i].IsBlameFrame {
			return &frames[i]
		}
		if f := blamedOf(frames[i].SubFrames); f != nil {
			return f
		}
	}
	return nil
}
