package seccomp

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"go/format"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
)

var update = flag.Bool("update", false, "write program_linux_*.go")

var arches = map[string]*arch.Info{"amd64": arch.X86_64, "arm64": arch.AARCH64}

// TestProgramIsOfTheList compiles the list for each architecture, and compares
// it with the program that is loaded.
func TestProgramIsOfTheList(t *testing.T) {
	for goarch, info := range arches {
		raw, err := bpf.Assemble(compile(uint32(info.ID), info.SyscallNames))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		b.WriteString("// Code generated from list.go by go generate; DO NOT EDIT.\n\npackage seccomp\n\nimport \"golang.org/x/sys/unix\"\n\nvar program = []unix.SockFilter{\n")
		for _, i := range raw {
			fmt.Fprintf(&b, "{Code: 0x%02x, Jt: %d, Jf: %d, K: 0x%08x},\n", i.Op, i.Jt, i.Jf, i.K)
		}
		b.WriteString("}\n")
		want, err := format.Source(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		file := "program_linux_" + goarch + ".go"
		if *update {
			if err := os.WriteFile(file, want, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what list.go says (%v): run go generate", file, err)
		}
	}
}

// TestEveryCallHasOneAnswer finds calls that nobody decided about, names that
// no architecture has, and rules for calls that do not pass in the first place.
func TestEveryCallHasOneAnswer(t *testing.T) {
	answers := listed(t)
	known := maps.Clone(arch.X86_64.SyscallNames)
	maps.Copy(known, arch.AARCH64.SyscallNames)
	for name := range known {
		if _, ok := answers[name]; !ok {
			t.Errorf("%s is in no group of list.go", name)
		}
	}
	for name := range answers {
		if _, ok := known[name]; !ok {
			t.Errorf("no architecture has a call %q", name)
		}
	}
	for _, r := range rules {
		if answers[r.call] != allowed {
			t.Errorf("the rule for %s narrows a call that is not allowed", r.call)
		}
	}
}

func listed(t *testing.T) map[string]answer {
	t.Helper()
	answers := map[string]answer{}
	for _, g := range groups {
		for name := range strings.FieldsSeq(g.calls) {
			if _, twice := answers[name]; twice {
				t.Errorf("%s is in list.go twice", name)
			}
			answers[name] = g.answer
		}
	}
	return answers
}

// TestProgramAnswersAsListed runs the program of each architecture for every
// number, and beyond.
func TestProgramAnswersAsListed(t *testing.T) {
	answers := listed(t)
	for goarch, info := range arches {
		t.Run(goarch, func(t *testing.T) {
			run := machine(t, info)
			for number := range 1024 {
				name, known := info.SyscallNumbers[number]
				if slices.ContainsFunc(rules, func(r rule) bool { return r.call == name }) {
					continue // TestRules
				}
				want := ret(absent)
				if known {
					want = ret(answers[name])
				}
				if got := run(uint32(info.ID), uint32(number)); got != want[0].(bpf.RetConstant).Val {
					t.Errorf("%d %s: %#x, want %#x", number, name, got, want)
				}
			}
			for _, c := range []struct {
				arch   arch.AuditArch
				number uint32
				want   uint32
			}{
				{info.ID, 1<<30 + 39, retAbsent}, // getpid, by the x32 ABI
				{info.ID, 0xffffffff, retAbsent},
				{arch.I386.ID, 4, retKillProcess},
				{arch.ARM.ID, 4, retKillProcess},
			} {
				if got := run(uint32(c.arch), c.number); got != c.want {
					t.Errorf("%v %#x: %#x, want %#x", c.arch, c.number, got, c.want)
				}
			}
		})
	}
}

func TestRules(t *testing.T) {
	const high = 1 << 32 // a bit that the kernel ignores in a 32-bit argument
	for goarch, info := range arches {
		run := machine(t, info)
		for _, c := range []struct {
			call string
			args []uint64
			want uint32
		}{
			{"clone", []uint64{0x11}, retAllow},                 // fork
			{"clone", []uint64{0x4111}, retAllow},               // vfork
			{"clone", []uint64{0x3d0f00}, retAllow},             // a thread
			{"clone", []uint64{0x10000011}, retDeny},            // NEWUSER
			{"clone", []uint64{high | 0x10000011}, retDeny},     //
			{"clone", []uint64{0x00020011}, retDeny},            // NEWNS
			{"clone", []uint64{0x02000011}, retDeny},            // NEWCGROUP
			{"clone", []uint64{0x40000011}, retDeny},            // NEWNET
			{"socket", []uint64{1, 1 | 0o2004000, 0}, retAllow}, // unix, CLOEXEC and NONBLOCK
			{"socket", []uint64{1, 5, 0}, retAllow},
			{"socket", []uint64{1, 3, 0}, retDeny},
			{"socket", []uint64{2, 1, 0}, retAllow},
			{"socket", []uint64{2, 1, 6}, retAllow},
			{"socket", []uint64{10, 2, 17}, retAllow},
			{"socket", []uint64{2, 3, 1}, retDeny},         // raw ICMP
			{"socket", []uint64{2, 2, 1}, retDeny},         // ICMP by datagrams
			{"socket", []uint64{2, 1, 132}, retDeny},       // SCTP
			{"socket", []uint64{2, 5, 0}, retDeny},         //
			{"socket", []uint64{10, 3, 255}, retDeny},      // raw IPv6
			{"socket", []uint64{2, 10, 0x300}, retDeny},    // SOCK_PACKET
			{"socket", []uint64{17, 3, 0x300}, retDeny},    // AF_PACKET
			{"socket", []uint64{16, 0x80003, 0}, retAllow}, // rtnetlink
			{"socket", []uint64{16, 3, 12}, retDeny},       // netfilter
			{"socket", []uint64{38, 5, 0}, retDeny},        // AF_ALG
			{"socket", []uint64{40, 1, 0}, retDeny},        // vsock
			{"socket", []uint64{44, 3, 0}, retDeny},        // AF_XDP
			{"socketpair", []uint64{1, 1, 0}, retAllow},
			{"socketpair", []uint64{30, 1, 0}, retDeny}, // TIPC
			{"mknod", []uint64{0, 0o644}, retAllow},
			{"mknod", []uint64{0, 0o010644}, retAllow},
			{"mknod", []uint64{0, 0o020644}, retDeny},
			{"mknodat", []uint64{0, 0, 0o100644}, retAllow},
			{"mknodat", []uint64{0, 0, 0o140644}, retAllow},
			{"mknodat", []uint64{0, 0, 0o060644}, retDeny},
			{"mknodat", []uint64{0, 0, 1<<16 | 0o020644}, retDeny}, // a mode has 16 bits
			{"ioctl", []uint64{0, 0x5401}, retAllow},               // TCGETS
			{"ioctl", []uint64{0, 0xffffffff80045430}, retAllow},   // a C int, sign-extended
			{"ioctl", []uint64{0, 0x5412}, retDeny},
			{"ioctl", []uint64{0, high | 0x5412}, retDeny},
			{"ioctl", []uint64{0, 0x541c}, retDeny},
			{"ioctl", []uint64{0, 0x5423}, retDeny},
			{"setrlimit", []uint64{4}, retSkip},
			{"setrlimit", []uint64{high | 4}, retSkip},
			{"setrlimit", []uint64{7, 4}, retAllow},
			{"prlimit64", []uint64{0, 4, 0x7fff0000}, retSkip},
			{"prlimit64", []uint64{0, high | 4, 0x7fff0000}, retSkip},
			{"prlimit64", []uint64{0, 4, high}, retSkip}, // where memory can well be
			{"prlimit64", []uint64{0, 4, 0}, retAllow},
			{"prlimit64", []uint64{0, 7, 0x7fff0000}, retAllow},
			{"personality", []uint64{0}, retAllow},
			{"personality", []uint64{0xffffffff}, retAllow},
			{"personality", []uint64{0x40000}, retDeny},  // ADDR_NO_RANDOMIZE
			{"personality", []uint64{0x400000}, retDeny}, // READ_IMPLIES_EXEC
			{"setsockopt", []uint64{3, 6, 31}, retDeny},  // TCP_ULP
			{"setsockopt", []uint64{3, 6, 1}, retAllow},
			{"setsockopt", []uint64{3, 1, 31}, retAllow},
			{"prctl", []uint64{15}, retAllow},
			{"prctl", []uint64{0x53564d41}, retAllow},
			{"prctl", []uint64{35}, retDeny}, // PR_SET_MM
			{"prctl", []uint64{62}, retDeny}, // PR_SCHED_CORE
		} {
			number, ok := info.SyscallNames[c.call]
			if !ok {
				continue
			}
			if got := run(uint32(info.ID), uint32(number), c.args...); got != c.want {
				t.Errorf("%s: %s(%#x): %#x, want %#x", goarch, c.call, c.args, got, c.want)
			}
		}
	}
}

// TestListedValues tries the rules that are one test of one whole argument with
// all values of 16 bits, and with those that they list.
func TestListedValues(t *testing.T) {
	for goarch, info := range arches {
		run := machine(t, info)
		for _, r := range rules {
			if len(r.any) > 1 || len(r.any[0]) > 1 || r.any[0][0].mask != every {
				continue
			}
			one := r.any[0][0]
			values := slices.Clone(one.in)
			for v := range uint32(1 << 16) {
				values = append(values, v)
			}
			for _, v := range values {
				want := ret(r.otherwise)[0].(bpf.RetConstant).Val
				if slices.Contains(one.in, v) == one.is {
					want = retAllow
				}
				args := make([]uint64, 6)
				args[one.arg] = uint64(v)
				if got := run(uint32(info.ID), uint32(info.SyscallNames[r.call]), args...); got != want {
					t.Errorf("%s: %s(%#x): %#x, want %#x", goarch, r.call, v, got, want)
				}
			}
		}
	}
}

// machine returns the program of an architecture as a function.
func machine(t *testing.T, info *arch.Info) func(arch, number uint32, args ...uint64) uint32 {
	t.Helper()
	vm, err := bpf.NewVM(compile(uint32(info.ID), info.SyscallNames))
	if err != nil {
		t.Fatal(err)
	}
	return func(arch, number uint32, args ...uint64) uint32 {
		// The machine reads words as they come from a network, the kernel as its own.
		data := make([]byte, 64)
		put := func(at int, v uint32) { binary.BigEndian.PutUint32(data[at:], v) }
		put(offsetNumber, number)
		put(offsetArch, arch)
		for i, a := range args {
			put(offsetArgs+8*i, uint32(a))
			put(offsetArgs+8*i+4, uint32(a>>32))
		}
		got, err := vm.Run(data)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(got)
	}
}
