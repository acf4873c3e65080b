package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"pinfold.dev/pinfold/internal/store/log"
)

// startCluster starts servers that replicate.
func startCluster(t *testing.T, n int) []*server.Server {
	t.Helper()
	for {
		all := beginCluster(t, n)
		if !slices.ContainsFunc(all, func(s *server.Server) bool { return !s.ReadyForConnections(clusterWait) }) {
			for !slices.ContainsFunc(all, func(s *server.Server) bool { return s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == n }) {
				time.Sleep(10 * time.Millisecond)
			}
			return all
		}
		for _, s := range all { // a port was taken since we looked
			s.Shutdown()
		}
	}
}

// clusterWait is how long a server of a cluster may take to begin.
const clusterWait = 20 * time.Second

func beginCluster(t *testing.T, n int) (all []*server.Server) {
	t.Helper()
	var routes []*url.URL
	var ports []int
	for range n { // each has to be told of all others
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, free.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: free.Addr().String()})
		free.Close()
	}
	for i, port := range ports {
		all = append(all, beginServer(t, &server.Options{
			ServerName: fmt.Sprint("n", i), Routes: routes,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port},
		}))
	}
	return all
}

func urls(servers []*server.Server) string {
	var all []string
	for _, s := range servers {
		all = append(all, s.ClientURL())
	}
	return strings.Join(all, ",")
}

// What is acknowledged is there, also while a replica is behind.
func TestReplicaBehind(t *testing.T) {
	t.Parallel()
	_, s := open(t, Options{URL: urls(startCluster(t, 3)), Replicas: 3})
	for range 2000 {
		stored := s.Append(t.Context(), log.Entry{Subject: "s", Meta: "m", Data: []byte("d")})[0]
		if e, err := s.Get(t.Context(), stored.Position); err != nil || e.Subject != "s" || e.Meta != "m" || string(e.Data) != "d" {
			t.Fatal(stored.Err, e, err)
		}
	}
}

// In a cluster with three replicas none is missed: what is acknowledged is read, in
// order, though the server dies that has the stream.
func TestCluster(t *testing.T) {
	t.Parallel()
	servers := startCluster(t, 3)
	l, s := open(t, Options{URL: urls(servers), Replicas: 3})
	r, err := s.Read(t.Context(), log.From{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const n = 900
	go func() {
		for i := 0; i < n; {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if stored := s.Append(ctx, log.Entry{Subject: "s", ID: fmt.Sprint(i), Data: fmt.Append(nil, i)})[0]; stored.Err == nil {
				i++
			} else if t.Context().Err() != nil {
				cancel()
				return
			}
			cancel()
		}
	}()
	for i, last := 0, uint64(0); i < n; {
		entries, err := r.Next(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if string(e.Data) != fmt.Sprint(i) || e.Position <= last {
				t.Fatalf("read %s at %d; want %d behind %d", e.Data, e.Position, i, last)
			}
			last = e.Position
			if i++; i == n/3 {
				stopLeader(l, servers)
			}
		}
	}
}

// stopLeader stops the server that stores entries.
func stopLeader(l *Log, servers []*server.Server) {
	for _, one := range servers {
		if account, err := one.LookupAccount(server.DEFAULT_GLOBAL_ACCOUNT); err == nil && account.JetStreamIsStreamLeader(l.streamName("test")) {
			one.Shutdown()
			one.WaitForShutdown()
			return
		}
	}
}

// What reads to the end does so though the server dies that has the stream: while it
// begins, while it reads, while it asks whether there is more.
func TestClusterEnd(t *testing.T) {
	t.Parallel()
	servers := startCluster(t, 3)
	l, s := open(t, Options{URL: urls(servers), Replicas: 3})
	const n = 10_000
	entries := make([]log.Entry, 100)
	for i := range n / len(entries) {
		for j := range entries {
			entries[j] = log.Entry{Subject: "s", Data: fmt.Append(nil, i*len(entries)+j)}
		}
		for _, stored := range s.Append(t.Context(), entries...) {
			if stored.Err != nil {
				t.Fatal(stored.Err)
			}
		}
	}
	var all sync.WaitGroup
	defer all.Wait()
	for i := range 8 {
		all.Go(func() {
			time.Sleep(time.Duration(i) * 10 * time.Millisecond)
			r, err := s.Read(t.Context(), log.From{})
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			for read := 0; ; {
				some, err := r.Next(t.Context(), 10)
				if errors.Is(err, io.EOF) && read == n {
					return
				}
				if err != nil {
					t.Errorf("%v after %d of %d", err, read, n)
					return
				}
				for _, e := range some {
					if string(e.Data) != fmt.Sprint(read) {
						t.Errorf("read %s, want %d", e.Data, read)
						return
					}
					read++
				}
			}
		})
	}
	time.Sleep(40 * time.Millisecond)
	stopLeader(l, servers)
}
