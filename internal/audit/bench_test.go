package audit

import (
	"context"
	"path/filepath"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	benchmark(b, func(l *Log, r Record) error { return l.Append(context.Background(), r) })
}

// BenchmarkBeginEnd is an intent and its outcome, both on the disk.
func BenchmarkBeginEnd(b *testing.B) {
	benchmark(b, func(l *Log, r Record) error {
		end, err := l.Begin(context.Background(), r)
		if err != nil {
			return err
		}
		r.Event = Outcome
		return end(r)
	})
}

func benchmark(b *testing.B, write func(*Log, Record) error) {
	for name, noSync := range map[string]bool{"fsync": false, "no fsync": true} {
		b.Run(name, func(b *testing.B) {
			l := open(b, Config{Path: filepath.Join(b.TempDir(), "a"), NoSync: noSync})
			b.SetParallelism(50)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := write(l, Record{Event: Intent, Principal: "token:x", Method: "m"}); err != nil {
						b.Error(err)
					}
				}
			})
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkDeny is a flood of one caller.
func BenchmarkDeny(b *testing.B) {
	l := open(b, Config{Path: filepath.Join(b.TempDir(), "a")})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Deny(Record{Event: Denial, Principal: "token:x", Method: "m", Reason: "POLICY_DENIED"})
		}
	})
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
