//go:build linux

package message

import "time"

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

// Place asks for code to appear in a sandbox.
type Place struct {
	PID         int
	Code        string
	Layers      string // or ""
	EphemeralMB int    // or 0: the temporary folder stays as it is
}

// Order is a message to an init: Begin comes first, Start once.
type Order struct {
	Begin *Begin
	Start *Start
}

// Begin tells an init that it is in its cgroup and may furnish its namespaces.
type Begin struct{ Hostname string }

// Start tells it to start the command. Its output and its files from 3 on come along.
type Start struct {
	Path string
	Args []string
	Env  []string
	Dir  string
}

// News is a message from an init. It answers Begin and Start with a Failure or
// with none, and then tells how the command ended.
type News struct {
	Failure *Failure
	Exited  *Exited
}

// Exited is how a command ended.
type Exited struct {
	Code   int    // exit status, or -1
	Signal string // or ""
	// What it has used, with those of its children that it waited for.
	PeakMemoryMB int
	CPU          time.Duration
}
