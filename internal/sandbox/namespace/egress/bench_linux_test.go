package egress

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkConfigure measures what the network adds to the start of a sandbox
// whose namespace exists, and what a link costs that nobody uses.
func BenchmarkConfigure(b *testing.B) {
	names := noNames(b)
	for range b.N {
		b.StopTimer()
		do := threadInNamespace(b)
		b.StartTimer()
		done := make(chan *os.File)
		do <- func() {
			tap, err := Configure("eth0")
			if err != nil {
				b.Error(err)
			}
			done <- tap
		}
		l := Attach(<-done, Options{Names: names})
		b.StopTimer()
		_ = l.Close()
		b.StartTimer()
	}
}

// BenchmarkMemory tells the platform's memory for an idle link, for one that has
// a stack, and for each open connection.
func BenchmarkMemory(b *testing.B) {
	const links, conns = 50, 100
	port := listen(b, echo)
	for range b.N {
		var all []*sandbox
		var taps []*os.File
		names := noNames(b)
		for range links {
			s, tap := configured(b)
			all, taps = append(all, s), append(taps, tap)
		}
		before := memory()
		for i, s := range all {
			s.attach(b, taps[i], Options{Dial: toLoopback, Names: names})
			open(b, s)
		}
		idle := memory()
		for _, s := range all {
			_ = s.mustDial(b, "tcp", net.JoinHostPort(world4, port)).Close()
		}
		used := memory()
		for range conns {
			c := all[0].mustDial(b, "tcp", net.JoinHostPort(world4, port))
			_, _ = c.Write(make([]byte, 100_000))
			_, _ = io.ReadFull(c, make([]byte, 100_000))
		}
		b.ReportMetric(float64(idle-before)/links, "B/idle-link")
		b.ReportMetric(float64(used-idle)/links, "B/used-link")
		b.ReportMetric(float64(memory()-used)/conns, "B/conn")
	}
}

func memory() int64 {
	for range 8 { // the second empties pools, each halves stacks
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkTCP measures the throughput through link and loopback, with servers
// and clients in this process too, and its processor time per byte.
func BenchmarkTCP(b *testing.B) {
	for _, direction := range []string{"in", "out"} {
		for _, streams := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/streams=%d", direction, streams), func(b *testing.B) {
				s := open(b, newSandbox(b, Options{Dial: toLoopback}))
				benchmarkTCP(b, direction == "in", streams, func() net.Conn {
					return s.mustDial(b, "tcp", net.JoinHostPort(world4, listen(b, func(c *net.TCPConn) { transfer(c, direction == "out") })))
				})
			})
		}
	}
}

// BenchmarkLoopback is the same without a link: what there is at most.
func BenchmarkLoopback(b *testing.B) {
	for _, streams := range []int{1, 8} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			benchmarkTCP(b, true, streams, func() net.Conn {
				c, err := net.Dial("tcp", "127.0.0.1:"+listen(b, func(c *net.TCPConn) { transfer(c, false) }))
				if err != nil {
					b.Fatal(err)
				}
				return c
			})
		})
	}
}

const chunk = 256 << 10

// benchmarkTCP moves chunks: each of b.N once, shared by the streams.
func benchmarkTCP(b *testing.B, in bool, streams int, dial func() net.Conn) {
	var conns []net.Conn
	for range streams {
		conns = append(conns, dial())
	}
	b.SetBytes(chunk)
	b.ResetTimer()
	cpu := processor()
	var all sync.WaitGroup
	for i, c := range conns {
		n := b.N / streams
		if i < b.N%streams {
			n++
		}
		all.Go(func() {
			buf := make([]byte, chunk)
			for range n {
				var err error
				if in {
					_, err = io.ReadFull(c, buf)
				} else {
					_, err = c.Write(buf)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
			if !in { // until all has arrived
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = c.Read(buf)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric((processor()-cpu).Seconds()*1e9/float64(b.N)/chunk, "cpu-ns/B")
	for _, c := range conns {
		_ = c.Close()
	}
}

// transfer is the server's part.
func transfer(c *net.TCPConn, receive bool) {
	buf := make([]byte, chunk)
	for {
		var err error
		if receive {
			_, err = c.Read(buf)
		} else {
			_, err = c.Write(buf)
		}
		if err != nil {
			return
		}
	}
}

func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
