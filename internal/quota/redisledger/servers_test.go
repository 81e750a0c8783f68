package redisledger

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
)

// TestKindsOfServers counts on each as on any other.
func TestKindsOfServers(t *testing.T) {
	for name, k := range redistest.Kinds(t) {
		t.Run(name, func(t *testing.T) {
			config := redisdb.Config{URL: k.URL, CAFile: k.CAFile, Username: k.Username, PasswordFile: k.PasswordFile, Cluster: k.Cluster}
			db, err := redisdb.Open(config, upstream)
			if err != nil {
				t.Fatal(err)
			}
			s := newShared(db, quota.Rules{}, quiet)
			s.limit = 5 * time.Second
			t.Cleanup(func() { _ = s.Close() })
			for range 20 {
				call(t, s, name, quota.Interactive)
			}
			states(t, s, name)
			a := ask(quota.Interactive)
			a.Team = "another {team}"
			if answer, err := s.Admit(t.Context(), a); err != nil || !answer.Admitted {
				t.Errorf("%+v %v", answer, err)
			}
			if err := s.enter(t.Context(), s.names(nil, "team", "K", quota.Endpoint{}), []time.Duration{time.Second, time.Minute}); err != nil {
				t.Error(err)
			}
			if n, err := s.live(t.Context(), time.Minute); n != 1 || err != nil {
				t.Errorf("%d replicas, %v", n, err)
			}
		})
	}
}

// back waits until the ledger is shared again.
func back(t *testing.T, l *Ledger, a *apple) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); l.Away(); {
		if a.try(t, l, quota.Default); time.Now().After(deadline) {
			t.Fatal("Redis is back, and not used")
		}
	}
}

// gone waits until the substitute is used.
func gone(t *testing.T, l *Ledger, a *apple) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !l.Away(); {
		if a.try(t, l, quota.Interactive); time.Now().After(deadline) {
			t.Fatal("nobody noticed")
		}
	}
}

// TestAFailover to a replica of Redis: behind a balancer the address stays. Until
// then the old one is gone, or has become a replica that takes no writes.
func TestAFailover(t *testing.T) {
	for _, how := range []string{"killed", "made a replica"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			first, second := redistest.Start(t), redistest.Start(t)
			proxy := redistest.NewProxy(t, first.Addr)
			host, port, _ := net.SplitHostPort(first.Addr)
			second.CLI("REPLICAOF", host, port)
			second.Until("master_link_status:up", "INFO", "replication")
			l := newLedger(t, "redis://"+proxy.Addr+"/0", quota.Rules{Hour: span})
			a := &apple{span: span, limit: 400}
			a.load(t, 500*time.Millisecond, quota.Default, l)
			second.Until("slave_read_repl_offset", "INFO", "replication")
			if how == "killed" {
				first.Kill()
			} else {
				host, port, _ := net.SplitHostPort(second.Addr)
				second.CLI("REPLICAOF", "NO", "ONE")
				first.CLI("REPLICAOF", host, port)
			}
			gone(t, l, a)
			if how == "killed" {
				second.CLI("REPLICAOF", "NO", "ONE")
			}
			proxy.To(second.Addr)
			begun := time.Now()
			back(t, l, a)
			_, _ = a.load(t, 500*time.Millisecond, quota.Default, l)
			s, err := l.States(t.Context(), "team")
			t.Logf("shared again after %v; refused %d; %+v", time.Since(begun).Round(time.Millisecond), a.refused, s)
			if err != nil || len(s) != 1 || s[0].Limit != 400 || a.refused > 2 {
				t.Errorf("%+v %v, refused %d", s, err, a.refused)
			}
		})
	}
}

// TestRefusals: a Redis that loads its data set, or refuses otherwise, is away.
// Nothing is discarded, and it is used as soon as it answers.
func TestRefusals(t *testing.T) {
	for _, answer := range []string{"LOADING Redis is loading the dataset in memory", "READONLY You can't write against a read only replica.",
		"MASTERDOWN Link with MASTER is down", "CLUSTERDOWN The cluster is down", "OOM command not allowed", "NOAUTH Authentication required.", "ERR max number of clients reached", "NOPERM no permissions"} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			proxy := redistest.NewProxy(t, redistest.NewFake(t, fmt.Sprintf("-%s\r\n", answer)).Addr)
			l := newLedger(t, "redis://"+proxy.Addr+"/0", quota.Rules{Hour: span})
			a := &apple{span: span, limit: 400}
			gone(t, l, a)
			proxy.To(redistest.Start(t).Addr)
			back(t, l, a)
		})
	}
}
