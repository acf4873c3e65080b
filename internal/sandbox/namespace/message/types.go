//go:build linux

package message

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What every sandbox looks like from inside, where both sides must agree.
const (
	// UID and GID are those of sbx_user1051 on Lambda.
	UID, GID = 993, 990
	// RuntimePort is where the Runtime API listens, as on Lambda.
	RuntimePort = 9001
	// Names of the two roles in os.Args[0].
	KeeperName, InitName = "pinfold-keeper", "pinfold-init"
)

// Setup is the first message to a keeper.
type Setup struct {
	Dir        string   // for the images of temporary folders
	Hide       []string // host folders that no sandbox may see
	Rootless   bool     // the keeper is root in a user namespace only
	ResolvConf string
}

// Settled answers Setup.
type Settled struct {
	Failure *Failure
	Weak    []string // what is weaker here, for people
}

// Request asks the keeper for one thing: one of the pointers is set.
type Request struct {
	ID      uint64
	Spawn   *Spawn
	Furnish *Furnish
	Place   *Place
	Check   *Check
}

// Reply answers the request of the same ID.
type Reply struct {
	ID      uint64
	Failure *Failure
	PID     int  // of Spawn; with the process's pidfd
	Tap     bool // of Furnish: the last file is the sandbox's network device
	NoTap   string
}

// Spawn asks for the init of a new sandbox. The end of its control socket comes
// along. The reply comes with a pidfd.
type Spawn struct {
	Box      string
	HostUID  int
	HostGID  int
	ReadOnly []string
}

// Furnish asks for listeners on the loopback of a sandbox, its network device and
// its temporary folder. The reply comes with the listeners, in the order of
// Ports, and the device.
type Furnish struct {
	PID         int
	Ports       []int
	Runtime     string // host folder that appears at /var/runtime, or ""
	EphemeralMB int
}

// Check asks whether a sandbox that was made a while ago is as one that would be
// made now. If not, there is a failure.
type Check struct{ PID int }

// Place asks for code to appear in a sandbox.
type Place struct {
	PID         int
	Code        string
	Layers      string // or ""
	Cache       string // or ""
	EphemeralMB int    // or 0: the temporary folder stays as it is
}

// What platform and init say to each other is not JSON: an init has no memory to
// decode it. The first message to it says nothing but that it is in its cgroup and
// may begin; the others are Starts.

// Start tells an init to start the command. Its output and its files from 3 on
// come along.
type Start struct {
	Path string
	Args []string // without argv[0]
	Env  []string
	Dir  string
}

// Words of an encoded Start. Those from StartPath on are offsets of strings in
// the message that end with a 0 byte; there are StartWords words in all.
const (
	StartWords     = iota
	StartCount     // of arguments
	StartPath      // of the program
	StartDir       //
	StartArguments // as execve wants them, a 0 after the last; then the environment likewise
)

// Encode returns what an init understands.
func (s *Start) Encode() ([]byte, error) {
	arguments := append([]string{s.Path}, s.Args...)
	words := StartArguments + len(arguments) + 1 + len(s.Env) + 1
	head := make([]uint64, 0, words)
	var texts []byte
	put := func(list ...string) error {
		for _, text := range list {
			if strings.IndexByte(text, 0) >= 0 {
				return fmt.Errorf("%q: a command cannot be given a text with a 0 byte in it: %w", text, syscall.EINVAL)
			}
			head = append(head, uint64(words*8+len(texts)))
			texts = append(append(texts, text...), 0)
		}
		return nil
	}
	head = append(head, uint64(words), uint64(len(arguments)))
	err := put(s.Path, s.Dir)
	err = errors.Join(err, put(arguments...))
	head = append(head, 0)
	err = errors.Join(err, put(s.Env...))
	if err != nil {
		return nil, err
	}
	data := make([]byte, 0, words*8+len(texts))
	for _, word := range append(head, 0) {
		data = binary.NativeEndian.AppendUint64(data, word)
	}
	if data = append(data, texts...); len(data) > MaxPacket {
		return nil, fmt.Errorf("a command and its environment of %d bytes are too large: %w", len(data), syscall.E2BIG)
	}
	return data, nil
}

// News is a message from an init. It answers the permission to begin, and each
// Start; the last one tells how the command ended.
type News struct {
	Errno  uint64 // of what failed, or 0
	Length uint64 // of What
	What   [120]byte
	Ended  uint32 // 1: the command has
	Status uint32 // as wait4 has it
	Used   unix.Rusage
}

// Failure returns what failed, or nil.
func (n *News) Failure() *Failure {
	if n.Errno == 0 {
		return nil
	}
	errno := syscall.Errno(n.Errno)
	return &Failure{Text: string(n.What[:min(n.Length, uint64(len(n.What)))]) + ": " + errno.Error(), Errno: errno}
}

// Exited is how a command ended.
type Exited struct {
	Code   int    // exit status, or -1
	Signal string // or ""
	// What it has used, with those of its children that it waited for.
	PeakMemoryMB int
	CPU          time.Duration
}

// Exited returns how the command ended, or nil if it has not.
func (n *News) Exited() *Exited {
	if n.Ended == 0 {
		return nil
	}
	e := &Exited{
		PeakMemoryMB: int(n.Used.Maxrss+1023) / 1024, // from kilobytes
		CPU:          time.Duration(n.Used.Utime.Nano() + n.Used.Stime.Nano()),
	}
	if status := syscall.WaitStatus(n.Status); status.Signaled() {
		e.Code, e.Signal = -1, status.Signal().String()
	} else {
		e.Code = status.ExitStatus()
	}
	return e
}
