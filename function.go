package pinfold

import "time"

// Version is everything that is needed to run a function: its settings and its
// code. A function's unpublished version is called [LatestVersion] and can
// change; a published one has a number and cannot. AWS calls the same thing a
// FunctionConfiguration.
//
// A *Version that a registry hands out is shared and must not be changed.
type Version struct {
	Ref    FunctionRef // Qualifier is the version: "$LATEST" or a number
	Config Config
	Code   Package

	RevisionID   string
	LastModified time.Time
}

// Key identifies exactly this content of this version: two versions with the
// same key run the same. Instances belong to a key.
func (v *Version) Key() string { return v.Ref.ARN() + "@" + v.RevisionID }

// Config is how a function runs. Field meanings and limits are those of AWS's
// CreateFunction.
type Config struct {
	Runtime          string            `json:"runtime"`
	Handler          string            `json:"handler"`
	Role             string            `json:"role,omitempty"`
	Description      string            `json:"description,omitempty"`
	Architecture     string            `json:"architecture,omitempty"` // x86_64 or arm64
	MemoryMB         int               `json:"memoryMB"`
	Timeout          Seconds           `json:"timeout"`
	EphemeralMB      int               `json:"ephemeralMB"` // size of /tmp
	Environment      map[string]string `json:"environment,omitempty"`
	Layers           []LayerRef        `json:"layers,omitempty"`
	LogFormat        string            `json:"logFormat,omitempty"`           // Text or JSON
	ApplicationLevel string            `json:"applicationLogLevel,omitempty"` // JSON only: TRACE to FATAL
	SystemLevel      string            `json:"systemLogLevel,omitempty"`      // JSON only: DEBUG, INFO, WARN
	LogGroup         string            `json:"logGroup,omitempty"`
	TracingMode      string            `json:"tracingMode,omitempty"` // PassThrough or Active
	DeadLetter       string            `json:"deadLetter,omitempty"`  // ARN of a queue, for events that failed
	Network          Network           `json:"network,omitzero"`      // not AWS's: what the function may reach
	// MaxConcurrency is how many invocations one instance serves at a time; 0 is 1.
	// AWS has it as PerExecutionEnvironmentMaxConcurrency, for managed instances only.
	MaxConcurrency int `json:"maxConcurrency,omitempty"`
	// CapacityProvider is the ARN of what AWS would run the function on; kept and
	// shown, instances run here.
	CapacityProvider string `json:"capacityProvider,omitempty"`
}

// Seconds is a duration in whole seconds, as AWS's timeouts are.
type Seconds int

// Duration returns s as a time.Duration.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// Package is a code package: a zip file by the hash of its content.
type Package struct {
	SHA256 string `json:"sha256"` // lower-case hex of the zip file
	Size   int64  `json:"size"`   // bytes of the zip file
}

// LayerRef is a layer version as a function uses it.
type LayerRef struct {
	ARN  string  `json:"arn"` // arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION
	Code Package `json:"code"`
}

// Function is what belongs to a function as a whole and not to one version.
type Function struct {
	Ref                 FunctionRef // unqualified
	Tags                map[string]string
	ReservedConcurrency *int   // nil: shares the account's pool; 0: every invocation is throttled
	Queue               *Queue // what waits when as many run as may; nil: nothing does
	Recursive           bool   // may cause its own invocation without end; else such a loop is stopped
}

// Queue lets synchronous invocations wait where they would be throttled. It is
// not AWS's.
type Queue struct {
	Max  int     `json:"max"`  // how many may wait; more are throttled
	Wait Seconds `json:"wait"` // how long each may; then it is throttled
}

// Provisioned is a number of instances of a version that are kept ready, whether
// they are needed or not.
type Provisioned struct {
	Ref   FunctionRef // Qualifier is a version or an alias, not LatestVersion
	Count int
	// Schedule changes Count at times; the entry that was last due holds.
	Schedule []ScheduledCount
	Modified time.Time
}

// ScheduledCount is a number of provisioned instances from a point in time on.
type ScheduledCount struct {
	Cron     string `json:"cron"`               // minute, hour, day, month, weekday
	Timezone string `json:"timezone,omitempty"` // IANA's name; "" is UTC
	Count    int    `json:"count"`
}

// Alias is a name for a version that can be moved, and can send a share of its
// invocations to a second version.
type Alias struct {
	Ref         FunctionRef // Qualifier is the alias's name
	Version     string
	Additional  string  // a second version, or ""
	Weight      float64 // the share of invocations that Additional gets, 0 to 1
	Description string
	RevisionID  string
}

// Layer is one version of a layer.
type Layer struct {
	Account, Region, Name string
	Version               int
	Description           string
	Runtimes              []string
	Architectures         []string
	License               string
	Code                  Package
	Created               time.Time
}

// URL is a function URL: an HTTP door to one function or alias.
type URL struct {
	Ref        FunctionRef // Qualifier is "" or an alias
	ID         string      // first label of its host name
	AuthType   string      // NONE or AWS_IAM
	InvokeMode string      // BUFFERED or RESPONSE_STREAM
	CORS       *CORS
	Created    time.Time
	Modified   time.Time
}
