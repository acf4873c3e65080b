package runtimes

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// loadCustom starts the function's own program and serves it the Runtime API.
func (in *Instance) loadCustom(ctx context.Context, b *body, a sandbox.Assignment, paths sandbox.Paths, env map[string]string, limit time.Duration) (*failure, error) {
	l, began := in.launcher, time.Now()
	listener, err := b.box.Listen(ctx)
	if err != nil {
		return nil, err
	}
	b.worker = newAPI(in, listener)
	env["AWS_LAMBDA_RUNTIME_API"] = listener.Addr().String()
	program, failed := entrypoint(in.version, a, paths)
	if failed == nil {
		err = l.start(ctx, b, sandbox.Command{Path: program, Env: environ(env), Dir: paths.Task})
		if notAProgram(err) {
			failed = &failure{kind: "Runtime.InvalidEntrypoint", message: err.Error() +
				": the program must be built for this machine, or be a script whose interpreter exists here"}
			err = nil
		}
	} else {
		err = l.openOutput(b)
	}
	if err != nil {
		return nil, err
	}
	if failed != nil {
		in.initTook = time.Since(began)
		in.phases.Init = in.initTook
		return failed, nil
	}
	in.phases.Boot = in.initBegan.Sub(began) // its start is a part of init
	in.log.initStart(time.Now(), in.version.Config.Runtime)
	return in.awaitInit(ctx, limit)
}

// entrypoint finds the program of a custom runtime. Source: "Building a custom
// runtime" in the Lambda developer guide; go1.x runs the handler itself.
func entrypoint(v *pinfold.Version, a sandbox.Assignment, paths sandbox.Paths) (string, *failure) {
	type place struct{ host, inside string }
	places := []place{{a.Code + "/bootstrap", paths.Task + "/bootstrap"}}
	names := "/var/task/bootstrap"
	if v.Config.Runtime == "go1.x" && filepath.IsLocal(v.Config.Handler) {
		places = append([]place{{a.Code + "/" + v.Config.Handler, paths.Task + "/" + v.Config.Handler}}, places...)
		names = "/var/task/" + v.Config.Handler + " " + names
	}
	if a.Layers != "" {
		places = append(places, place{a.Layers + "/bootstrap", paths.Opt + "/bootstrap"})
		names += " /opt/bootstrap"
	}
	for _, p := range places {
		info, err := os.Stat(p.host)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if info.Mode()&0o111 == 0 {
			return "", &failure{kind: "Runtime.InvalidEntrypoint", message: "fork/exec " + filepath.Base(p.host) +
				": permission denied: make it executable (chmod +x) before it is packed"}
		}
		return p.inside, nil
	}
	return "", &failure{kind: "Runtime.InvalidEntrypoint", message: "Couldn't find valid bootstrap(s): [" + names +
		"]: put an executable file named bootstrap at the root of the code package"}
}

// notAProgram reports whether a start failed over what was to be started, and
// not because the machine has too little of something.
func notAProgram(err error) bool {
	for _, of := range []error{syscall.ENOEXEC, syscall.ENOENT, syscall.EACCES, syscall.ENOTDIR, syscall.ELOOP, syscall.E2BIG, syscall.EINVAL, syscall.EISDIR, syscall.ETXTBSY} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}
