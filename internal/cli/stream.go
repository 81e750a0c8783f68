package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// stream reads an answer of several messages: a file, or messages one by one.
func (c *caller) stream(ctx context.Context, conn grpc.ClientConnInterface, m *method, req proto.Message) error {
	data := m.desc.Output().Fields().ByName("data")
	isFile := data != nil && data.Kind() == protoreflect.BytesKind
	if c.all {
		return usagef("%s: --all is for methods with pages", m.rpc())
	}
	if isFile && c.out == "" && isTerminal(c.stdout) {
		return usagef("%s gives a file: --out FILE keeps it, --out - writes it here", m.rpc())
	}
	if !isFile && c.out != "" {
		return usagef("%s gives no file: --out is of no use", m.rpc())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+m.fullName())
	if err == nil {
		err = s.SendMsg(req)
	}
	if err == nil {
		err = s.CloseSend()
	}
	if err != nil && !errors.Is(err, io.EOF) { // then RecvMsg tells
		return calledBack(m, err)
	}
	if isFile {
		return c.file(s, m, data)
	}
	return c.messages(s, m)
}

// messages prints each message as it comes; JSON is one line each.
func (c *caller) messages(s grpc.ClientStream, m *method) error {
	for {
		res, err := newMessage(m.desc.Output())
		if err != nil {
			return err
		}
		if err := s.RecvMsg(res); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return calledBack(m, err)
		}
		if c.output == "json" || c.output == "jsonl" {
			err = writeLine(c.stdout, res.ProtoReflect())
		} else {
			err = c.print(res)
		}
		if err != nil {
			return err
		}
	}
}

// file writes a file that comes in pieces. One that is not whole is not kept.
func (c *caller) file(s grpc.ClientStream, m *method, data protoreflect.FieldDescriptor) (err error) {
	var into *target
	defer func() {
		if into != nil {
			err = into.end(err)
		}
	}()
	for {
		res, err := newMessage(m.desc.Output())
		if err != nil {
			return err
		}
		if err := s.RecvMsg(res); errors.Is(err, io.EOF) {
			if into == nil {
				into, err = c.open("")
				return err
			}
			return nil
		} else if err != nil {
			return calledBack(m, err)
		}
		r := res.ProtoReflect()
		if into == nil {
			if into, err = c.open(nameOf(r)); err != nil {
				return err
			}
		}
		if _, err := into.w.Write(r.Get(data).Bytes()); err != nil {
			return err
		}
	}
}

// nameOf is the name that Apple gives the file, "" if none.
func nameOf(m protoreflect.Message) string {
	fd := m.Descriptor().Fields().ByName("info")
	if fd == nil || !m.Has(fd) {
		return ""
	}
	info, _ := m.Get(fd).Message().Interface().(*typesv1.FileInfo)
	return info.GetFilename()
}

// target is where a file goes.
type target struct {
	w    io.Writer
	file *os.File // nil: standard output
	name string
	say  io.Writer
}

// open makes a file beside the one that is wanted, or takes standard output.
// suggested is a name from the answer: it is used for a folder, and its folders
// are not followed.
func (c *caller) open(suggested string) (*target, error) {
	if c.out == "" || c.out == "-" {
		return &target{w: c.stdout}, nil
	}
	name := c.out
	if info, err := os.Stat(name); err == nil && info.IsDir() || strings.HasSuffix(name, string(filepath.Separator)) {
		base := filepath.Base(filepath.Clean("/" + strings.ReplaceAll(suggested, `\`, "/")))
		if base == "/" || base == "." || strings.HasPrefix(base, ".") || printable(base) != base {
			base = "download"
		}
		name = filepath.Join(name, base)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".asc-gateway-*")
	if err != nil {
		return nil, usagef("--out: no file can be made in %s", clip(filepath.Dir(name)))
	}
	return &target{w: f, file: f, name: name, say: c.stderr}, nil
}

// end puts a whole file in its place, and removes one that is not.
func (t *target) end(err error) error {
	if t.file == nil {
		return err
	}
	err = errors.Join(err, t.file.Close())
	if err == nil {
		err = os.Rename(t.file.Name(), t.name)
	}
	if err != nil {
		_ = os.Remove(t.file.Name())
		return err
	}
	fmt.Fprintln(t.say, t.name)
	return nil
}
