package sandboxtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	outOfMemory = "Error Type: Runtime.OutOfMemory"
	timedOut    = "Status: timeout"
	bySize      = "a `/tmp` of the configured size"
)

// size tells an attack how large it is: as large as it would be without walls,
// and no larger than the machine can take.
func size(n int) func(context.Context, *house) (order, error) { return fixed(order{"size": n}) }

// flood is how much is logged, in megabytes.
func flood(context.Context, *house) (order, error) {
	if testing.Short() {
		return order{"size": 20}, nil
	}
	return order{"size": 200}, nil
}

var exhausting = []attack{
	{name: "fork bomb", on: "python", run: "fork_bomb", wants: "all process numbers", wall: byGroup + ": 1,024 processes and threads", more: size(3000), stops: "EAGAIN", most: 1024},
	{name: "fork bomb of a shell", on: "node", run: "shellBomb", wants: "the same, as the famous one does", wall: byGroup, more: size(11), stops: "EAGAIN", most: 1024},
	{name: "threads", on: "python", run: "threads", wants: "the same by threads", wall: byGroup, more: size(3000), stops: "EAGAIN", most: 1024},
	{name: "zombies", on: "python", run: "zombies", wants: "the same by children that nobody waits for, and orphans", wall: byGroup + "; init collects orphans", more: size(1500), stops: "EAGAIN collected", most: 1024},
	{name: "memory", on: "pythonSmall", run: "allocate", wants: "all memory", wall: byGroup + ", without swap: the function dies alone", more: size(1024), ends: outOfMemory},
	{name: "memory of buffers", on: "nodeSmall", run: "buffers", wants: "the same outside of the JavaScript heap", wall: byGroup, more: size(1024), ends: outOfMemory},
	{name: "memory, mapped", on: "goSmall", run: "anonymous", wants: "the same by mmap", wall: byGroup, more: size(1024), ends: outOfMemory},
	{name: "memory of a memfd", on: "goSmall", run: "memfd", wants: "memory that belongs to a file, not to a process", wall: byGroup, more: size(1024), ends: outOfMemory},
	{name: "memory, shared", on: "goSmall", run: "sharedMemory", wants: "memory that outlives its process", wall: byGroup + "; ipc namespace", more: size(1024), ends: outOfMemory},
	{name: "files in memory", on: "pythonSmall", run: "fill_shm", wants: "memory by files in `/dev/shm`", wall: byGroup + "; a `/dev/shm` of bounded size", more: size(1024), ends: outOfMemory, stops: "ENOSPC", most: 256},
	{name: "page cache", on: "pythonSmall", run: "page_cache", wants: "memory by reading and writing files", wall: byGroup + ": the cache counts, and is given back", more: size(450), stops: "used", ends: outOfMemory,
		bare: "it is allowed"},
	{name: "temporary files", on: "python", run: "fill_tmp", wants: "the host's disk", wall: bySize, more: size(800), stops: "ENOSPC", most: 540},
	{name: "core dumps", on: "python", run: "cores", wants: "the host's disk, by dumps of memory that its collector keeps", wall: "a limit of 1 byte, which the kernel takes for none, and calls that would change it do nothing", stops: "none"},
	{name: "inodes", on: "node", run: "inodes", wants: "the host's inodes", wall: bySize, more: size(100_000), stops: "ENOSPC", most: 65_536},
	{name: "descriptors", on: "python", run: "descriptor_flood", wants: "the machine's table of files", wall: "1,024 open files", more: size(5000), stops: "EMFILE", most: 1024},
	{name: "sockets", on: "python", run: "sockets", wants: "the kernel's memory for sockets", wall: "1,024 open files; " + byGroup, more: size(5000), stops: "EMFILE", most: 1024},
	{name: "queues", on: "go", run: "queues", wants: "the kernel's memory for epoll", wall: "1,024 open files; " + byGroup, more: size(5000), stops: "EMFILE", most: 1024},
	{name: "connections", on: "go", run: "connections", wants: "every connection that the platform takes, with half a request on each", wall: "1,024 open files, and what the platform gives a connection", more: size(3000), stops: "EMFILE", most: 1024},
	{name: "processors", on: "node", run: "processors", wants: "all processors", wall: byGroup + ": processor time in proportion to memory", more: size(8), stops: "used", bare: "the neighbour's time tells"},
	{name: "processor share", on: "pythonSmall", run: "processor_share", wants: "more of the processors than its memory buys: 256 MB are 14% of one", wall: byGroup, stops: "EAGAIN", most: 50},
	{name: "timers", on: "node", run: "timers", wants: "to keep the machine busy with thousands of timers", wall: byGroup, more: size(20_000), stops: "used", bare: "the neighbour's time tells"},
	{name: "log flood", on: "go", run: "logFlood", wants: "to fill the disk with its log, and to hold up everyone's", wall: "the platform keeps so much of a function's log, and reads it for each instance by itself", more: flood, stops: "written",
		bare: notTheDriver, after: logsGoOn},
	{name: "answer flood", on: "node", run: "answer", wants: "the platform's memory, by an answer of 50 MB", wall: "answers over 6 MB are not kept", more: size(50), ends: "Error Type: Function.ResponseSizeTooLarge", bare: notTheDriver},
	{name: "endless answer", on: "python", run: "endless_frame", wants: "the same by an answer that does not end", wall: "answers over 6 MB are not kept", more: size(300), ends: "Error Type: Runtime.ExitError", bare: notTheDriver},
	{name: "greetings", on: "python", run: "hello_again", wants: "the platform's processor, by saying again and again that it has begun", wall: byProtocol, ends: protocolEnds, bare: notTheDriver},
	{name: "parts of nothing", on: "python", run: "chunks_of_nothing", wants: "the platform's memory, by a part of an answer that is no stream", wall: byProtocol, ends: protocolEnds, bare: notTheDriver},
	{name: "parts too large", on: "python", run: "chunks_too_large", wants: "the same by a part of 5 MB", wall: byProtocol, ends: protocolEnds, bare: notTheDriver},
	{name: "empty parts", on: "python", run: "empty_chunks", wants: "the same by parts that count for nothing", wall: byProtocol, ends: protocolEnds, bare: notTheDriver},
	{name: "parts after the end", on: "python", run: "chunks_after_end", wants: "to go on when its answer is over", wall: byProtocol, stops: "sent", bare: notTheDriver},
	{name: "stream flood", on: "pythonStream", run: "flood_stream", do: slowly("flood_stream"), wants: "the same by a stream whose client does not read", wall: "1 MB of a stream may be on its way", stops: "ended", bare: notTheDriver},
	{name: "stream of crumbs", on: "pythonStream", run: "crumbs", do: slowly("crumbs"), wants: "the same byte by byte", wall: "1 MB of a stream may be on its way, and parts are put together", stops: "ended", bare: notTheDriver},
	{name: "long stream", on: "pythonStream", run: "long_stream", do: slowly("long_stream"), wants: "the same by a stream that is as long as it may be", wall: "the function waits for its client", stops: "ended", bare: notTheDriver},
	{name: "log frames", on: "python", run: "log_frames", wants: "to fill the disk with its log, and the platform's memory", wall: "the platform keeps so much of a function's log, and drops what it has no room for", more: size(50), stops: "sent", bare: notTheDriver, after: logsGoOn},
	{name: "compiled code", on: "python", run: "cache_frames", wants: "the platform's memory and disk, by 320 MB of compiled code", wall: "64 MB are taken, of who was asked", stops: "sent", ends: protocolEnds, bare: notTheDriver},
	{name: "unread", on: "python", run: "unread", do: unread, wants: "the platform's memory, by answering what it never reads", wall: "what has not been written cannot be answered", stops: "answered", bare: notTheDriver},
	{name: "trickle", on: "goBrief", run: "trickle", wants: "to hold a connection for ever, with an answer byte by byte", wall: "the function's timeout", ends: timedOut, bare: notTheDriver},
	{name: "trickle of frames", on: "pythonBrief", run: "trickle", wants: "the same on the descriptor that it inherited", wall: "the function's timeout", ends: timedOut, bare: notTheDriver},
	{name: "deaf", on: "nodeBrief", run: "deaf", wants: "to go on for ever: it ignores SIGTERM", wall: "the function's timeout, and SIGKILL for the whole sandbox", ends: timedOut, bare: notTheDriver},
	{name: "slow reading", on: "nodeBrief", run: "stopReading", do: stopReading, wants: "to hold up the platform by not reading the 5 MB that it is sent", wall: "the function's timeout: nobody else waits for the pipe",
		stops: "timeout", bare: notTheDriver},
	{name: "restless", on: "node", run: "restless", wants: "to work on, and fork without end, when nobody has called it", wall: "cgroup: an idle instance is frozen, and one that cannot be is ended", more: func(_ context.Context, h *house) (order, error) {
		h.token = rand.Text()
		return order{"token": h.token}, nil
	}, stops: "made", after: comesToRest},
	{name: "daemons", on: "node", run: "daemons", wants: "to live on after its instance", wall: "the end of init ends the pid namespace", more: func(_ context.Context, h *house) (order, error) {
		h.token = rand.Text()
		return order{"size": 5, "token": h.token}, nil
	}, stops: "made", after: endsWithInstance},
}

// stopReading has a function answer, read nothing from then on, and then sends it
// more than fits into a pipe.
func stopReading(ctx context.Context, h *house) map[string]string {
	answer := map[string]string{}
	status, body, err := h.call(ctx, "nodeBrief", h.order("stopReading", nil))
	if err != nil || status != http.StatusOK {
		answer["answer once"] = fmt.Sprintf("%d %.300s %v", status, body, err)
	}
	began := time.Now()
	status, body, err = h.call(ctx, "nodeBrief", order{"run": "breathe", "padding": strings.Repeat("x", 5<<20)})
	if err == nil && status == http.StatusBadGateway {
		err = h.reported(ctx, "nodeBrief", timedOut, began, 10*time.Second)
		answer["read nothing"] = "timeout"
	}
	if err != nil || answer["read nothing"] == "" {
		answer["read nothing"] = fmt.Sprintf("%d %.300s %v", status, body, err)
	}
	return answer
}

// slowly has a function stream to a client that reads nothing for a while, and
// then goes away.
func slowly(run string) func(ctx context.Context, h *house) map[string]string {
	return func(ctx context.Context, h *house) map[string]string {
		ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		req, err := h.request(ctx, "pythonStream", h.order(run, nil))
		if err != nil {
			return map[string]string{run: err.Error()}
		}
		if resp, err := door.Do(req); err == nil {
			<-ctx.Done()
			_ = resp.Body.Close()
		}
		return map[string]string{run: "ended"}
	}
}

// unread sends a function that does not read one large event after the other.
func unread(ctx context.Context, h *house) map[string]string {
	first := make(chan struct{})
	go func() { defer close(first); _, _, _ = h.call(ctx, "python", h.order("unread", nil)) }()
	padding := strings.Repeat("x", 5<<20)
	came := make(chan error)
	for range 4 {
		go func() {
			for range 6 {
				_, _, err := h.call(ctx, "python", order{"run": "breathe", "padding": padding})
				came <- err
			}
		}()
	}
	answer := map[string]string{}
	for i := range 4 * 6 {
		err := <-came
		if answer[strconv.Itoa(i)] = "answered"; err != nil {
			answer[strconv.Itoa(i)] = err.Error()
		}
	}
	<-first
	return answer
}

// logsGoOn checks that the log of a flood is bounded, and that others have one
// again once it is over.
func logsGoOn(ctx context.Context, h *house, _ map[string]string) error {
	total := int64(0)
	err := filepath.WalkDir(filepath.Join(h.facts.Data, "logs"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	if err == nil && total > 100<<20 {
		err = fmt.Errorf("the logs take %d MB of disk, and should not take much more than 16", total>>20)
	}
	if err != nil {
		return err
	}
	for range 5 {
		began := time.Now()
		if _, err = h.neighbour(ctx, 0); err != nil {
			return err
		}
		if err = h.reported(ctx, "neighbour", "REPORT", began, 3*time.Second); err == nil {
			return nil
		}
	}
	return fmt.Errorf("after the flood the neighbour has no log: %w", err)
}

// comesToRest checks that what an idle instance has left running stops, and then
// ends it.
func comesToRest(ctx context.Context, h *house, answer map[string]string) error {
	deadline := time.Now().Add(10 * time.Second)
	for before, same := uint64(0), 0; same < 10; {
		used := uint64(0)
		for _, pid := range runs(h.token) {
			used += ticks(pid)
		}
		if same++; used != before {
			before, same = used, 0
		}
		if time.Now().After(deadline) {
			return errors.New("what it left behind does not stop")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(runs(h.token)) == 0 {
		return nil // it has been ended
	}
	return endsWithInstance(ctx, h, answer)
}

// endsWithInstance ends the instance, and checks that what it left behind ends
// with it.
func endsWithInstance(ctx context.Context, h *house, _ map[string]string) error {
	if len(runs(h.token)) == 0 {
		return errors.New("the daemons do not run: nothing is tried")
	}
	if status, body, err := h.call(ctx, "node", order{"run": "leave"}); err != nil || status == 200 {
		return fmt.Errorf("the function does not leave: %d %.300s %w", status, body, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for left := runs(h.token); len(left) > 0; left = runs(h.token) {
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("after its end the instance's daemons run on: %v", left)
		}
	}
	return nil
}
