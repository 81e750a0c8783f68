package uploads

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// requestsHeader tells how many requests a call has sent to Apple.
const requestsHeader = "asc-requests"

// waitMost is how long an upload waits for the quota before one call.
const waitMost = 10 * time.Minute

// caller makes inner calls, and counts what they cost.
type caller struct {
	*Service
	requests atomic.Int32
	stop     context.CancelCauseFunc // ends the call that these are made for
}

// call makes one call. It waits for the quota, as an upload has spent too much to
// be lost for it.
func (c *caller) call(ctx context.Context, m *method, req proto.Message) (protoreflect.Message, error) {
	res := m.out.New()
	return res, c.invoke(ctx, m.name, req, res.Interface())
}

func (c *caller) invoke(ctx context.Context, name string, req, res proto.Message) error {
	for waited := time.Duration(0); ; {
		var md metadata.MD
		err := c.deps.Conn.Invoke(ctx, name, req, res, grpc.Header(&md))
		if n := md.Get(requestsHeader); len(n) > 0 {
			if i, perr := strconv.ParseInt(n[0], 10, 32); perr == nil {
				c.requests.Add(int32(i))
			}
		}
		again := retryAfter(err)
		if waited += again; again <= 0 || waited > waitMost {
			return err
		}
		if err := c.pause(ctx, again); err != nil {
			return err
		}
	}
}

// retryAfter is when a call that the quota did not let pass may come again, 0 for
// all others.
func retryAfter(err error) time.Duration {
	st := status.Convert(err)
	if err == nil || st.Code() != codes.ResourceExhausted {
		return 0
	}
	for _, d := range st.Details() {
		if r, ok := d.(*errdetails.RetryInfo); ok {
			return r.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// reasonOf is the reason of an error, "" if it has none.
func reasonOf(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// unclear says whether a write may have been executed all the same.
func unclear(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Unknown:
		return true
	}
	r := reasonOf(err)
	return r == fault.ReasonOutcomeUnknown || r == fault.ReasonExecutedUnread
}

func isNotFound(err error) bool { return status.Code(err) == codes.NotFound }

// resource is the one that an answer holds, not valid if it holds none.
func (m *method) resource(res protoreflect.Message) protoreflect.Message {
	return res.Get(m.data).Message()
}

// resources are all that an answer holds.
func (m *method) resources(res protoreflect.Message) (list []protoreflect.Message) {
	if !m.data.IsList() {
		if r := m.resource(res); r.IsValid() {
			list = append(list, r)
		}
		return list
	}
	l := res.Get(m.data).List()
	for i := range l.Len() {
		list = append(list, l.Get(i).Message())
	}
	return list
}

// byID is a request for what an id names.
func (m *method) byID(id string) protoreflect.Message {
	req := m.in.New()
	set(req, "id", id)
	return req
}

// read reads a file's resource.
func (c *caller) read(ctx context.Context, k *kind, id string) (protoreflect.Message, error) {
	res, err := c.call(ctx, k.get, k.get.byID(id).Interface())
	if err != nil {
		return nil, err
	}
	return k.get.resource(res), nil
}

// siblings reads all files of an owner.
func (c *caller) siblings(ctx context.Context, m *method, owner string) (list []protoreflect.Message, err error) {
	req := m.byID(owner)
	if m.data.IsList() {
		set(req, "page_size", int32(200))
	}
	for {
		res, err := c.call(ctx, m, req.Interface())
		if err != nil {
			return nil, err
		}
		list = append(list, m.resources(res)...)
		next := text(res, "next_page_token")
		if next == "" || len(list) > 2000 {
			return list, nil
		}
		set(req, "page_token", next)
	}
}
