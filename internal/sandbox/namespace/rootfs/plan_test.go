//go:build linux

package rootfs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// fake makes a host's file system: "path/" is a folder, "path -> target" a link,
// everything else a file.
func fake(t testing.TB, paths ...string) *host {
	t.Helper()
	h := &host{root: t.TempDir(), seen: map[string]stamp{}}
	for _, line := range paths {
		path, target, isLink := strings.Cut(line, " -> ")
		at := h.path(path)
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		switch {
		case err != nil:
		case isLink:
			err = os.Symlink(target, at)
		case strings.HasSuffix(path, "/"):
			err = os.MkdirAll(at, 0o755)
		default:
			err = os.WriteFile(at, []byte("content of "+path), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// planned plans a root and returns what in it is not in every root.
func planned(t *testing.T, h *host, o Options) (string, error) {
	t.Helper()
	r, err := plan(h, o)
	if err != nil {
		return "", err
	}
	var lines []string
	always := fixed("")
	for _, e := range r.entries {
		line := string(e.kind) + " " + e.path
		if e.kind == link {
			line += " -> " + e.text
		}
		if _, ok := always[e.path]; !ok {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}

var debian = []string{
	"/bin -> usr/bin", "/sbin -> usr/sbin", "/lib -> usr/lib", "/lib64 -> usr/lib64",
	"/usr/bin/node", "/usr/sbin/", "/usr/lib/x86_64-linux-gnu/", "/usr/lib64/", "/usr/src/", "/usr/games/",
	"/usr/share/zoneinfo/Etc/UTC", "/usr/share/doc/", "/usr/share/ca-certificates/mozilla/",
	"/usr/local/bin/", "/usr/local/lib/", "/usr/local/etc/secret", "/usr/local/var/", "/usr/local/share/ca-certificates/", "/usr/local/share/keyrings/",
	"/etc/localtime -> /usr/share/zoneinfo/Etc/UTC", "/etc/os-release -> ../usr/lib/os-release", "/usr/lib/os-release",
	"/etc/shadow", "/etc/passwd", "/etc/machine-id", "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/hosts", "/etc/resolv.conf -> ../run/resolv.conf",
	"/etc/ssl/certs/", "/etc/ssl/openssl.cnf", "/etc/ssl/private/key.pem", "/etc/alternatives/", "/etc/python3.11/",
	"/root/.ssh/id", "/home/ada/.ssh/id", "/var/lib/pinfold/root.key", "/var/log/", "/run/docker.sock", "/boot/", "/srv/", "/tmp/",
}

const ofDebian = `bind /etc/alternatives
bind /etc/python3.11
bind /etc/ssl/certs
bind /usr/bin
bind /usr/lib
bind /usr/lib64
bind /usr/local/bin
bind /usr/local/lib
bind /usr/local/share/ca-certificates
bind /usr/sbin
bind /usr/share/ca-certificates
bind /usr/share/zoneinfo
file /etc/ld.so.cache
file /etc/ssl/openssl.cnf
link /bin -> usr/bin
link /etc/localtime -> /usr/share/zoneinfo/Etc/UTC
link /etc/os-release -> ../usr/lib/os-release
link /lib -> usr/lib
link /lib64 -> usr/lib64
link /sbin -> usr/sbin`

func TestPlan(t *testing.T) {
	for _, test := range []struct {
		name    string
		host    []string
		options Options
		want    string // lines; those that start with + come on top of Debian's
	}{
		{"Debian", debian, Options{}, ofDebian},
		{"Alpine", []string{
			"/bin/busybox", "/sbin/", "/lib/ld-musl-x86_64.so.1", "/usr/bin/", "/usr/lib/", "/usr/share/zoneinfo/", "/root/", "/home/",
			"/etc/ssl/cert.pem -> certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt", "/etc/ld-musl-x86_64.path", "/etc/shadow", "/etc/alpine-release",
		}, Options{}, `bind /bin
bind /etc/ssl/certs
bind /lib
bind /sbin
bind /usr/bin
bind /usr/lib
bind /usr/share/zoneinfo
file /etc/alpine-release
file /etc/ld-musl-x86_64.path
link /etc/ssl/cert.pem -> certs/ca-certificates.crt`},
		{"Fedora", []string{
			"/bin -> usr/bin", "/lib64 -> usr/lib64", "/usr/bin/", "/usr/lib64/", "/usr/sbin -> bin", "/usr/share/crypto-policies/",
			"/etc/ssl/certs -> ../pki/tls/certs", "/etc/pki/tls/certs/", "/etc/pki/tls/private/key", "/etc/pki/tls/cert.pem -> ../ca-trust/extracted/tls.pem",
			"/etc/pki/ca-trust/extracted/tls.pem", "/etc/pki/ca-trust/source/", "/etc/pki/rpm-gpg/", "/etc/crypto-policies/", "/home -> var/home", "/var/home/ada/", "/root -> var/roothome", "/var/roothome/",
		}, Options{}, `bind /etc/crypto-policies
bind /etc/pki/ca-trust/extracted
bind /etc/pki/tls/certs
bind /usr/bin
bind /usr/lib64
bind /usr/share/crypto-policies
link /bin -> usr/bin
link /etc/pki/tls/cert.pem -> ../ca-trust/extracted/tls.pem
link /etc/ssl/certs -> ../pki/tls/certs
link /lib64 -> usr/lib64
link /usr/sbin -> bin`},
		{"NixOS", []string{
			"/bin/sh -> /nix/store/b-bash/bin/sh", "/usr/bin/env -> /nix/store/c-coreutils/bin/env", "/nix/store/s-system/sw/bin/", "/nix/store/n-node/bin/", "/nix/var/nix/",
			"/run/current-system -> /nix/store/s-system", "/run/secrets/", "/etc/static -> /nix/store/e-etc", "/nix/store/e-etc/ssl/certs/ca.crt",
			"/etc/ssl/certs/ca.crt -> /etc/static/ssl/certs/ca.crt", "/etc/localtime -> /etc/zoneinfo/UTC", "/etc/zoneinfo -> /nix/store/z", "/nix/store/z/UTC",
		}, Options{ReadOnly: []string{"/nix/store/n-node", "/run/current-system/sw"}}, `bind /bin
bind /etc/ssl/certs
bind /nix/store
bind /usr/bin
link /etc/localtime -> /etc/zoneinfo/UTC
link /etc/static -> /nix/store/e-etc
link /etc/zoneinfo -> /nix/store/z
link /run/current-system -> /nix/store/s-system`},
		{"openSUSE, whose certificates are in /var", []string{
			"/usr/bin/", "/etc/ssl/certs -> /var/lib/ca-certificates/pem", "/var/lib/ca-certificates/pem/", "/var/lib/secret/",
		}, Options{}, `bind /usr/bin
bind /var/lib/ca-certificates/pem
link /etc/ssl/certs -> /var/lib/ca-certificates/pem`},

		{"node in /usr/local", debian, Options{ReadOnly: []string{"/usr/local"}}, "+"},
		{"everything", debian, Options{ReadOnly: []string{"/", "/usr", "/usr/lib/x86_64-linux-gnu"}}, "+"},
		{"pyenv", append([]string{"/root/.pyenv/versions/3.11 -> 3.11.7", "/root/.pyenv/versions/3.11.7/bin/python", "/root/.pyenv/versions/3.11.7/lib/", "/root/.pyenv/versions/3.11.7/share/terminfo/", "/root/.pyenv/versions/3.11.7/share/man/"}, debian...),
			Options{ReadOnly: []string{"/root/.pyenv/versions/3.11"}}, `+bind /root/.pyenv/versions/3.11.7/bin
bind /root/.pyenv/versions/3.11.7/lib
bind /root/.pyenv/versions/3.11.7/share/terminfo
link /root/.pyenv/versions/3.11 -> 3.11.7`},
		{"node in ~/bin", append([]string{"/home/ada/bin/node", "/home/ada/lib/", "/home/ada/pyvenv.cfg", "/home/ada/share/keyrings/"}, debian...), Options{ReadOnly: []string{"/home/ada"}},
			"+bind /home/ada/bin\nbind /home/ada/lib\nfile /home/ada/pyvenv.cfg"},
		{"the bootstraps in the data folder", append([]string{"/var/lib/pinfold/run/bootstrap-1/node/main.js"}, debian...),
			Options{ReadOnly: []string{"/var/lib/pinfold/run/bootstrap-1"}, Hide: []string{"/var/lib/pinfold"}}, "+bind /var/lib/pinfold/run/bootstrap-1"},
		{"a data folder in what is shown", append([]string{"/usr/local/lib/pinfold/run/bootstrap-1/"}, debian...),
			Options{ReadOnly: []string{"/usr/local/lib/pinfold/run/bootstrap-1"}, Hide: []string{"/usr/local/lib/pinfold", "/usr/local/lib/pinfold/run", "/usr/missing"}},
			"+bind /usr/local/lib/pinfold/run/bootstrap-1\ncover /usr/local/lib/pinfold"},
		{"a data folder in a folder that is asked for", append([]string{"/srv/app/lib/data/key"}, debian...),
			Options{ReadOnly: []string{"/srv/app"}, Hide: []string{"/srv/app/lib/data"}}, "+bind /srv/app\ncover /srv/app/lib/data"},
		{"a library that is a link into a home", append([]string{"/usr/share/icu -> /home/ada/icu", "/home/ada/icu/"}, debian...), Options{}, "+link /usr/share/icu -> /home/ada/icu"},
		{"Homebrew", append([]string{"/home/brew/bin/", "/home/brew/Cellar/", "/home/brew/opt/", "/home/brew/var/", "/home/brew/etc/openssl@3/private/", "/home/brew/etc/openssl@3/cert.pem"}, debian...),
			Options{ReadOnly: []string{"/home/brew"}}, "+bind /home/brew/Cellar\nbind /home/brew/bin\nbind /home/brew/opt\nfile /home/brew/etc/openssl@3/cert.pem"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := planned(t, fake(t, test.host...), test.options)
			if err != nil {
				t.Fatal(err)
			}
			want := test.want
			if more, ok := strings.CutPrefix(want, "+"); ok {
				lines := strings.Split(strings.TrimSpace(ofDebian+"\n"+more), "\n")
				slices.Sort(lines)
				want = strings.Join(lines, "\n")
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	host := append([]string{"/usr/share/loop -> loop", "/file", "/dev/shm/data/", "/proc/", "/opt/", "/var/task/", "/data/pinfold/"}, debian...)
	for _, test := range []struct {
		ask  string
		hide string
		code pinfold.Code
		says string
	}{
		{"/gone/python", "", pinfold.Unavailable, "/gone/python"},
		{"/file", "", pinfold.Unavailable, "not a folder"},
		{"/usr/share/loop", "", pinfold.Unavailable, "links"},
		{"relative", "", pinfold.Invalid, "absolute"},
		{"", "", pinfold.Invalid, "absolute"},
		{"/root", "", pinfold.Invalid, "home"},
		{"/data/pinfold", "/data/pinfold", pinfold.Invalid, "data folder"},
		{"/etc", "", pinfold.Invalid, "system folder"},
		{"/var", "", pinfold.Invalid, ""},
		{"/tmp", "", pinfold.Invalid, ""},
		{"/run", "", pinfold.Invalid, ""},
		{"/dev/shm/data", "", pinfold.Invalid, ""},
		{"/proc", "", pinfold.Invalid, ""},
		{"/opt", "", pinfold.Invalid, ""},
	} {
		t.Run(test.ask, func(t *testing.T) {
			o := Options{ReadOnly: []string{test.ask}}
			if test.hide != "" {
				o.Hide = []string{test.hide}
			}
			got, err := planned(t, fake(t, host...), o)
			if pinfold.CodeOf(err) != test.code || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v\n%s", err, got)
			}
		})
	}
}

func TestPlanShowsNothingBelowItsOwnLinks(t *testing.T) {
	host := append([]string{"/var/tmp/node/bin/", "/var/tmp/node/lib/", "/var/run/data/"}, debian...)
	got, err := planned(t, fake(t, host...), Options{ReadOnly: []string{"/var/tmp/node", "/var/run/data"}})
	if err != nil || strings.Contains(got, "/var/tmp/") || strings.Contains(got, "/var/run/") {
		t.Errorf("it would be made in the host's /tmp or /run: %v\n%s", err, got)
	}
}

func TestPlanRefusesToHide(t *testing.T) {
	for _, path := range []string{"", "/", "/etc/..", "data"} {
		if _, err := planned(t, fake(t, debian...), Options{Hide: []string{path}}); pinfold.CodeOf(err) != pinfold.Invalid {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// A file of the host's that not everybody may read is nobody's in a sandbox,
// where root's eyes made the copy.
func TestPlanRespectsModes(t *testing.T) {
	h := fake(t, debian...)
	if err := os.Chmod(h.path("/etc/ssl/openssl.cnf"), 0o640); err != nil {
		t.Fatal(err)
	}
	got, err := planned(t, h, Options{})
	if err != nil || strings.Contains(got, "openssl.cnf") {
		t.Errorf("got %v\n%s", err, got)
	}
}

func TestCurrent(t *testing.T) {
	o := Options{ReadOnly: []string{"/opt/python"}, Hide: []string{"/usr/local/lib/data"}}
	for _, test := range []struct {
		name   string
		change func(h *host) error
		want   bool
	}{
		{"nothing happened", func(*host) error { return nil }, true},
		{"a program was installed", func(h *host) error { return os.WriteFile(h.path("/usr/bin/curl"), nil, 0o755) }, true},
		{"a runtime was removed", func(h *host) error { return os.RemoveAll(h.path("/opt/python")) }, false},
		{"a runtime was replaced", func(h *host) error {
			return move(h, "/opt/python", "/opt/new", func() error { return os.MkdirAll(h.path("/opt/python/bin"), 0o755) })
		}, false},
		{"a link leads elsewhere", func(h *host) error {
			return move(h, "/etc/localtime", "/etc/old", func() error { return os.Symlink("/usr/share/zoneinfo/Europe/Berlin", h.path("/etc/localtime")) })
		}, false},
		{"a copied file was written", func(h *host) error {
			return os.WriteFile(h.path("/etc/ld.so.cache"), []byte("longer than it was before"), 0o644)
		}, false},
		{"what must be hidden has appeared", func(h *host) error { return os.Mkdir(h.path("/usr/local/lib/data"), 0o755) }, false},
		{"a library folder was added", func(h *host) error { return os.Mkdir(h.path("/usr/lib32"), 0o755) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := fake(t, append([]string{"/opt/python/bin/", "/opt/python/lib/"}, debian...)...)
			r, err := plan(h, o)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Current() {
				t.Fatal("a new plan is out of date")
			}
			if err := test.change(h); err != nil {
				t.Fatal(err)
			}
			if got := r.Current(); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// move renames a path, so that what takes its place cannot be the same inode.
func move(h *host, from, to string, then func() error) error {
	if err := os.Rename(h.path(from), h.path(to)); err != nil {
		return err
	}
	return then()
}

func BenchmarkPlan(b *testing.B) {
	for b.Loop() {
		if _, err := Plan(Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCurrent(b *testing.B) {
	r, err := Plan(Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d paths", len(r.host.seen))
	for b.Loop() {
		r.Current()
	}
}
