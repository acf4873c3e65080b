package jetstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"pinfold.dev/pinfold/internal/store/log"
)

// proxy is a connection to a server that changes or drops messages as it is told: it
// gets the fields of the line before a message (MSG, HMSG, PUB or HPUB, the subject, ...
// the size), and returns those that are passed on, or nil.
func proxy(t *testing.T, s *server.Server, change func(fields []string) []string) (url string) {
	t.Helper()
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { door.Close() })
	go func() {
		for {
			client, err := door.Accept()
			if err != nil {
				return
			}
			behind, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			go pass(client, behind, change)
			go pass(behind, client, change)
		}
	}()
	return "nats://" + door.Addr().String()
}

func pass(to, from net.Conn, change func([]string) []string) {
	defer to.Close()
	for in := bufio.NewReader(from); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		out := []byte(line)
		if fields := strings.Fields(line); slices.Contains([]string{"MSG", "HMSG", "PUB", "HPUB"}, fields[0]) {
			n, err := strconv.Atoi(fields[len(fields)-1])
			if err != nil {
				return
			}
			data := make([]byte, n+2)
			if _, err := io.ReadFull(in, data); err != nil {
				return
			}
			if fields = change(fields); fields == nil {
				continue
			}
			out = append([]byte(strings.Join(fields, " ")+"\r\n"), data...)
		}
		if _, err := to.Write(out); err != nil {
			return
		}
	}
}

// deliveries changes those of entries, by the position of one; how many are to come
// then is in what it says.
func deliveries(change func(position, toCome string) (_ string, is bool)) func([]string) []string {
	return func(fields []string) []string {
		for i, f := range fields {
			if !strings.HasPrefix(f, "$JS.ACK.") || !strings.HasSuffix(fields[0], "MSG") {
				continue
			}
			tokens := strings.Split(f, ".") // ... how often, position, number, time, to come
			toCome, is := change(tokens[len(tokens)-4], tokens[len(tokens)-1])
			if !is {
				return nil
			}
			tokens[len(tokens)-1] = toCome
			fields[i] = strings.Join(tokens, ".")
		}
		return fields
	}
}

// lose drops a delivery, once.
func lose(position int) func() func([]string) []string {
	return func() func([]string) []string {
		var lost atomic.Bool
		return deliveries(func(at, toCome string) (string, bool) {
			return toCome, at != strconv.Itoa(position) || lost.Swap(true)
		})
	}
}

// loseRequest drops the first request of a kind.
func loseRequest(kind string) func() func([]string) []string {
	return func() func([]string) []string {
		var lost atomic.Bool
		return func(fields []string) []string {
			if strings.HasPrefix(fields[1], "$JS.API."+kind+".") && !lost.Swap(true) {
				return nil
			}
			return fields
		}
	}
}

// tell changes how many are to come.
func tell(toCome string) func() func([]string) []string {
	return func() func([]string) []string {
		return deliveries(func(string, string) (string, bool) { return toCome, true })
	}
}

// A reader reads everything and ends, whatever is lost or wrong on its way.
func TestFaultyWay(t *testing.T) {
	t.Parallel()
	s := startServer(t, &server.Options{})
	const n = 20
	i := 0
	for name, change := range map[string]func() func([]string) []string{
		"a delivery is lost":            lose(n / 2),
		"the last delivery is lost":     lose(n),
		"a request to read is lost":     loseRequest("CONSUMER.CREATE"),
		"a request to begin is lost":    loseRequest("CONSUMER.MSG.NEXT"),
		"a question is lost":            loseRequest("STREAM.INFO"),
		"a question at the end is lost": loseRequest("STREAM.MSG.GET"),
		"who delivers is behind":        tell("0"),
		"who delivers has miscounted":   tell("7"),
	} {
		for _, follow := range []bool{false, true} {
			i++
			prefix := fmt.Sprint("p", i)
			t.Run(fmt.Sprint(name, ", follow ", follow), func(t *testing.T) {
				t.Parallel()
				_, stream := open(t, Options{URL: proxy(t, s, change()), Prefix: prefix})
				for i := range n + 1 {
					if stored := stream.Append(t.Context(), log.Entry{Subject: "s"})[0]; stored.Err != nil || stored.Position != uint64(i+1) {
						t.Fatalf("%+v", stored)
					}
				}
				if err := stream.Remove(t.Context(), n+1); err != nil { // the end is not reached by reading alone
					t.Fatal(err)
				}
				r, err := stream.Read(t.Context(), log.From{Follow: follow})
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				last := uint64(0)
				for last < n || !follow {
					entries, err := r.Next(t.Context(), 3)
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range entries {
						if last++; e.Position != last {
							t.Fatalf("read %d, want %d", e.Position, last)
						}
					}
				}
				if last != n {
					t.Errorf("read %d of %d", last, n)
				}
			})
		}
	}
}
