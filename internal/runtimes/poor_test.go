package runtimes

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// poor is a driver of sandboxes on a machine that has too little of something.
type poor struct {
	sandbox.Driver
	listened func()
	start    error
}

type poorBox struct {
	sandbox.Sandbox
	poor *poor
}

func (p *poor) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	box, err := p.Driver.Create(ctx, spec)
	return &poorBox{box, p}, err
}

func (b *poorBox) Listen(ctx context.Context) (net.Listener, error) {
	l, err := b.Sandbox.Listen(ctx)
	if b.poor.listened != nil {
		b.poor.listened()
	}
	return l, err
}

func (b *poorBox) Start(ctx context.Context, cmd sandbox.Command) error {
	if b.poor.start != nil {
		return pinfold.Errorf(pinfold.Internal, "starting the instance: %w", &os.PathError{Op: "fork/exec", Path: cmd.Path, Err: b.poor.start})
	}
	return b.Sandbox.Start(ctx, cmd)
}

// What the machine lacks is not the function's fault, and no reason to fall.
func TestPoorMachine(t *testing.T) {
	var usual syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &usual); err != nil {
		t.Fatal(err)
	}
	noFiles := func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1, Max: usual.Max}); err != nil {
			t.Error(err)
		}
	}
	program := map[string]string{"bootstrap+": "#!/bin/sh\n"}
	for _, tc := range []struct {
		name     string
		files    map[string]string
		poor     poor
		platform bool // to blame
	}{
		{"no descriptors", program, poor{listened: noFiles}, true},
		{"no descriptors to tell that there is no program", nil, poor{listened: noFiles}, true},
		{"no processes", program, poor{start: syscall.EAGAIN}, true},
		{"no memory", program, poor{start: syscall.ENOMEM}, true},
		{"no such interpreter", program, poor{start: syscall.ENOENT}, false},
		{"another machine's program", program, poor{start: syscall.ENOEXEC}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t, none(t))
			tc.poor.Driver = l.launcher.options.Driver
			l.launcher.options.Driver = &tc.poor
			v := l.version("provided.al2023", "x", tc.files)
			in, err := l.launcher.Launch(l.Context(), v, How{})
			_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &usual)
			if err == nil {
				defer in.Close()
			}
			if tc.platform != (err != nil) {
				t.Fatalf("the launch says %v", err)
			}
			if !tc.platform {
				if e := l.errorOf(l.call(in, "{}")); e.ErrorType != "Runtime.InvalidEntrypoint" {
					t.Errorf("the caller is told %+v", e)
				}
			}
		})
	}
}
