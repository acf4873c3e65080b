package runtimes

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// paperDriver makes paper boxes, as long as they do not fail.
type paperDriver struct {
	sandbox.Driver
	create func(context.Context) error
}

func (d *paperDriver) Capabilities() sandbox.Capabilities { return sandbox.Capabilities{} }

func (d *paperDriver) Create(ctx context.Context, _ sandbox.Spec) (sandbox.Sandbox, error) {
	if err := d.create(ctx); err != nil {
		return nil, err
	}
	return newPaperBox(), nil
}

type noCode struct{}

func (noCode) Dir(context.Context, pinfold.Package) (string, error)      { return "", nil }
func (noCode) Layers(context.Context, []pinfold.Package) (string, error) { return "", nil }

// newUnloaded returns an instance that could not load its function, and tries
// again when create returns.
func newUnloaded(t *testing.T, room int, create func(context.Context) error) *Instance {
	t.Helper()
	v := &pinfold.Version{Config: pinfold.Config{Timeout: 10, Runtime: "provided.al2023", MaxConcurrency: room}}
	l := &Launcher{options: Options{Code: noCode{}, Driver: &paperDriver{create: create}}}
	in := l.newInstance("i", v, identifier{family: Custom}, How{})
	out, pipe, err := newOutput(nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = pipe.Close()
	link, theirs, err := newLink()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range theirs {
		_ = f.Close()
	}
	in.box, in.worker = newPaperBox(), link
	in.body.open(out)
	in.take(in.body)
	in.again = true
	if err := in.body.close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	return in
}

// TestReviveWithoutWalls: the second attempt can fail before there is anything of
// a process.
func TestReviveWithoutWalls(t *testing.T) {
	in := newUnloaded(t, 1, func(context.Context) error { return errors.New("no walls") })
	if _, err := invoke(in, t.Context(), &pinfold.Invocation{ID: "one"}); err == nil || err.Error() != "no walls" {
		t.Errorf("err: %v", err)
	}
	<-in.Done()
	if in.Reusable() {
		t.Error("it can be used again")
	}
}

// TestReviveTakesTooLong: its time is over while walls are being made, who looks
// at its memory meanwhile sees some, and a caller may leave before that.
func TestReviveTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		in := newUnloaded(t, 2, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		over := make(chan struct{})
		if _, err := in.Invoke(ctx, &pinfold.Invocation{ID: "one"}, func() { close(over) }); pinfold.CodeOf(err) != pinfold.Timeout || time.Since(began) != time.Second {
			t.Errorf("who leaves gets %v after %v", err, time.Since(began))
		}
		if in.MemoryMB() != 1 {
			t.Error("it holds nothing")
		}
		_, err := invoke(in, t.Context(), &pinfold.Invocation{ID: "two"}) // waits for it
		if pinfold.ReasonOf(err) != "InstanceGone" || time.Since(began) != 10*time.Second {
			t.Errorf("who waited gets %v after %v", err, time.Since(began))
		}
		<-over
		<-in.Done()
	})
}

// TestReviveClosed: the platform does not wait for what takes long.
func TestReviveClosed(t *testing.T) {
	making := make(chan struct{})
	in := newUnloaded(t, 1, func(ctx context.Context) error { close(making); <-ctx.Done(); return ctx.Err() })
	go func() {
		<-making
		_ = in.Close()
	}()
	if _, err := invoke(in, t.Context(), &pinfold.Invocation{ID: "one"}); pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("err: %v", err)
	}
}

// TestReviveForSeveral: who comes while the function is being loaded waits for it.
func TestReviveForSeveral(t *testing.T) {
	l := newLab(t, none(t))
	v := l.version("nodejs20.x", "index.handler", map[string]string{"index.js": "throw new Error()"}, func(c *pinfold.Config) { c.MaxConcurrency = 12 })
	in := l.launch(v)
	if err := os.WriteFile(filepath.Join(l.packages[v.Code.SHA256], "index.js"), []byte("exports.handler = async (e) => e"), 0o644); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			id := strconv.Itoa(i)
			res, err := invoke(in, t.Context(), &pinfold.Invocation{ID: id, Payload: []byte(id)})
			if err != nil || string(res.Payload) != id {
				t.Errorf("%s: %+v, %v", id, res, err)
			}
		})
	}
	all.Wait()
}
