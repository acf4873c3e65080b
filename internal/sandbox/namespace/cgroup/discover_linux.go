package cgroup

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

// machine is where the groups of a machine are found; tests have fake ones.
type machine struct {
	proc string // folder with mountinfo and cgroup: /proc/self
	root string // before each mount point: ""
	uid  int
}

// hierarchy is one mounted tree of groups.
type hierarchy struct {
	v2          bool
	controllers []string // version 1: what is mounted here
	mount       string   // folder of the topmost group that can be seen
	own         string   // folder of the platform's own group, mount if that cannot be seen
	readOnly    bool
}

// discover returns the mounted hierarchies that have something for us.
func (m machine) discover() ([]*hierarchy, error) {
	mounts, err := os.ReadFile(filepath.Join(m.proc, "mountinfo"))
	if err != nil {
		return nil, err
	}
	groups, err := os.ReadFile(filepath.Join(m.proc, "cgroup"))
	if err != nil {
		return nil, err
	}
	own := parseOwn(groups)
	var found []*hierarchy
	for _, mount := range parseMounts(mounts) {
		key := "" // version 2, in /proc/self/cgroup
		if !mount.v2 {
			key = mount.controllers[0]
		}
		h := &hierarchy{v2: mount.v2, controllers: mount.controllers, mount: m.root + mount.point, readOnly: mount.readOnly}
		h.own = h.mount
		if below, ok := below(mount.root, own[key]); ok {
			if dir := filepath.Join(h.mount, below); isDir(dir) {
				h.own = dir
			}
		}
		found = append(found, h)
	}
	return found, nil
}

// below returns the path of a group as seen from a mount of the group root.
func below(root, group string) (string, bool) {
	if root == "/" || root == group {
		rest := strings.TrimPrefix(strings.TrimPrefix(group, root), "/")
		return rest, filepath.IsLocal(cmp.Or(rest, "."))
	}
	rest, ok := strings.CutPrefix(group, root+"/")
	return rest, ok && filepath.IsLocal(rest)
}

type mount struct {
	device      string // major:minor, one for each hierarchy
	root        string // group that is mounted
	point       string
	v2          bool
	controllers []string
	readOnly    bool
}

// wanted are the controllers of version 1 that there is a use for.
var wanted = []string{"memory", "cpu", "cpuacct", "pids", "freezer"}

// parseMounts reads /proc/self/mountinfo: one mount for each hierarchy that
// has something for us, a writable one if there are several.
func parseMounts(mountinfo []byte) []mount {
	var mounts []mount
	for line := range bytes.Lines(mountinfo) {
		before, after, ok := strings.Cut(string(line), " - ")
		where, what := strings.Fields(before), strings.Fields(after)
		if !ok || len(where) < 6 || len(what) < 3 {
			continue
		}
		m := mount{device: where[2], root: unescape(where[3]), point: unescape(where[4]), v2: what[0] == "cgroup2"}
		options := strings.Split(what[2], ",")
		m.readOnly = slices.Contains(strings.Split(where[5], ","), "ro") || slices.Contains(options, "ro")
		if what[0] == "cgroup" {
			m.controllers = slices.DeleteFunc(options, func(o string) bool { return !slices.Contains(wanted, o) })
		}
		if !m.v2 && len(m.controllers) == 0 {
			continue
		}
		// A later mount on the same folder hides the earlier one.
		mounts = slices.DeleteFunc(mounts, func(old mount) bool { return old.point == m.point })
		switch i := slices.IndexFunc(mounts, func(old mount) bool { return old.device == m.device }); {
		case i < 0:
			mounts = append(mounts, m)
		case mounts[i].readOnly && !m.readOnly:
			mounts[i] = m
		}
	}
	return mounts
}

// unescape undoes mountinfo's \040 and the like.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// parseOwn reads /proc/self/cgroup: the group of the process by controller,
// that of version 2 under "".
func parseOwn(cgroup []byte) map[string]string {
	own := map[string]string{}
	for line := range bytes.Lines(cgroup) {
		parts := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(parts) < 3 {
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			own[controller] = parts[2]
		}
	}
	return own
}

// leaf is the group, below the one that the platform was started in, that it
// moves into to make room; see vacate. All platforms started in
// one group share it.
const leaf = "pinfold-platform"

// recipe is how an ordinary user gets groups.
const recipe = "start it as `systemd-run --user --scope -p Delegate=yes pinfold up`"

// base returns the group of version 2 below which the tree may be, whether
// the processes in it are the platform's to move, and what is weak about it.
//
// Below the platform's own group is best: limits of the whole service then
// hold for its functions. But a group is systemd's, to rearrange as it likes,
// unless it was delegated.
func (m machine) base(h *hierarchy) (dir string, ours bool, weak string) {
	own := h.own
	if filepath.Base(own) == leaf {
		own = filepath.Dir(own)
	}
	switch {
	case own == h.mount: // a container's topmost group, or no service manager
		return own, true, ""
	case delegated(own):
		return own, true, ""
	case m.uid != 0: // systemd before version 250 told root alone
		return own, false, ""
	}
	return h.mount, false, "limits of the service as a whole (such as MemoryMax= in its unit) do not hold for functions: set Delegate=yes in the unit"
}

// delegated reports whether systemd has given the group away for good.
func delegated(dir string) bool {
	var value [8]byte
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		if n, err := unix.Getxattr(dir, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// enable makes the controllers that the group dir has to give available below
// it, as far as the kernel lets us, and returns those that are.
func enable(dir string) []string {
	have, on := fields(dir, "cgroup.controllers"), fields(dir, "cgroup.subtree_control")
	for _, c := range wanted {
		if slices.Contains(have, c) && !slices.Contains(on, c) {
			// One by one: a refused one takes no other along. What was
			// refused is missing from the answer.
			_ = write(dir, "cgroup.subtree_control", "+"+c)
		}
	}
	return fields(dir, "cgroup.subtree_control")
}

// vacate moves the processes in the group dir into a leaf below it: only a
// group without processes can hand controllers on ("no internal processes").
// If the group is not ours as a whole, the platform alone moves.
func vacate(dir string, ours bool) error {
	if !exists(dir, "cgroup.type") {
		return nil // the true root may have processes
	}
	into, self := filepath.Join(dir, leaf), strconv.Itoa(os.Getpid())
	for range 10 { // they may fork while they are moved
		pids := fields(dir, "cgroup.procs")
		if len(pids) == 0 {
			return nil
		}
		if err := mkdir(into); err != nil {
			return err
		}
		for _, pid := range pids {
			if !ours && pid != self {
				continue
			}
			if err := write(into, "cgroup.procs", pid); err != nil && !gone(err) {
				return err
			}
		}
	}
	return pinfold.Errorf(pinfold.Unavailable, "other processes run in the group %s that Pinfold was started in: %s", dir, recipe)
}
