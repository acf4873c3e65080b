package jetstream

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"pinfold.dev/pinfold/internal/store/log"
)

// startCluster starts servers that replicate.
func startCluster(t *testing.T, n int) (all []*server.Server) {
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
	for _, s := range all {
		if !s.ReadyForConnections(startWait) {
			t.Fatal("a server did not start")
		}
	}
	for !slices.ContainsFunc(all, func(s *server.Server) bool { return s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == n }) {
		time.Sleep(10 * time.Millisecond)
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
				for _, one := range servers { // the one that has it
					if account, err := one.LookupAccount(server.DEFAULT_GLOBAL_ACCOUNT); err == nil && account.JetStreamIsStreamLeader(l.streamName("test")) {
						one.Shutdown()
						one.WaitForShutdown()
					}
				}
			}
		}
	}
}
