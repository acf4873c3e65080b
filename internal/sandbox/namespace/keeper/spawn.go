//go:build linux

package keeper

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox/namespace/initproc"
	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
	"pinfold.dev/pinfold/internal/sandbox/namespace/rootfs"
)

// maxTemplates bounds how many kinds of roots are kept: one per interpreter is usual.
const maxTemplates = 16

// template is a thread in a mount namespace that holds nothing but the root that
// sandboxes of one kind have. What it starts in a new mount namespace begins
// with a copy of that.
type template struct {
	once   sync.Once
	root   *rootfs.Root
	thread *thread
	err    error
	users  sync.WaitGroup
}

// template returns the template for sandboxes that see these folders. It makes
// one if there is none, or if the host's files have changed since: an
// interpreter may have been upgraded or removed.
func (k *keeper) template(readOnly []string) (*template, error) {
	key := strings.Join(slices.Sorted(slices.Values(readOnly)), "\x00")
	k.mu.Lock()
	t := k.templates[key]
	if t != nil && t.root != nil {
		root := t.root
		k.mu.Unlock() // the host's files may be on a disk that does not answer
		current := root.Current()
		k.mu.Lock()
		if t = k.templates[key]; t != nil && t.root == root && !current {
			k.forget(key)
			t = nil
		}
	}
	if t == nil {
		for other := range k.templates {
			if len(k.templates) >= maxTemplates {
				k.forget(other)
			}
		}
		t = &template{}
		k.templates[key] = t
	}
	t.users.Add(1)
	k.mu.Unlock()
	t.once.Do(func() { k.build(t, readOnly) })
	if t.err != nil {
		t.users.Done()
		k.mu.Lock()
		if k.templates[key] == t {
			delete(k.templates, key)
		}
		k.mu.Unlock()
		return nil, t.err
	}
	return t, nil
}

// forget drops a template once nobody uses it any more. The caller holds k.mu.
func (k *keeper) forget(key string) {
	t := k.templates[key]
	delete(k.templates, key)
	go func() { // ends when the spawns that are under way have
		t.users.Wait()
		if t.thread != nil {
			t.thread.end()
		}
	}()
}

func (k *keeper) build(t *template, readOnly []string) {
	root, err := rootfs.Plan(rootfs.Options{ReadOnly: readOnly, Hide: k.setup.Hide, ResolvConf: k.setup.ResolvConf})
	if err != nil {
		t.err = err
		return
	}
	t.thread, t.err = newThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("making a mount namespace: %w", err)
		}
		return root.Build()
	})
	k.mu.Lock()
	t.root = root
	k.mu.Unlock()
}

// spawn starts the init of a sandbox and returns its pid and pidfd.
func (k *keeper) spawn(s *message.Spawn, control *os.File) (int, *os.File, error) {
	t, err := k.template(s.ReadOnly)
	if err != nil {
		return 0, nil, err
	}
	defer t.users.Done()
	owner := initproc.Owner{UID: s.HostUID, GID: s.HostGID, Alone: k.setup.Rootless}
	pid, process, err := k.inits.Fork(control, owner, t.thread.run)
	if pid != 0 {
		k.mu.Lock()
		k.alive[pid] = t.root
		k.collect(pid) // if it has ended already, reap has not known it
		k.mu.Unlock()
	}
	switch {
	case errors.Is(err, unix.ENOSPC): // clone(2): a limit on namespaces
		return 0, nil, fmt.Errorf("starting the sandbox's init: %w: the kernel gives no more namespaces: see sysctl user.max_user_namespaces, and the other user.max_*_namespaces", err)
	case err != nil:
		return 0, nil, fmt.Errorf("starting the sandbox's init: %w", err)
	}
	return pid, process, nil
}
