package app

import "pinfold.dev/pinfold"

// Change is one line of a plan.
type Change struct {
	Op     Op       `json:"op"`
	Kind   string   `json:"kind"`             // function, layer, route, url, api, queue, mapping, async, schedule, schedule group, rule
	Name   string   `json:"name"`             // "hello-dev-greet", "GET /users/{id}"
	Detail []string `json:"detail,omitempty"` // what differs: "memory 128 MB -> 256 MB", "code"
}

// Op is what happens to a thing.
type Op string

// The operations of a plan.
const (
	Add     Op = "+"
	Update  Op = "~"
	Replace Op = "±" // another one is made in its place
	Remove  Op = "-"
)

// Plan is what deploying an application would change.
type Plan struct {
	App      string     `json:"app"`
	Stage    string     `json:"stage"`
	Changes  []Change   `json:"changes"`
	Unserved []Unserved `json:"unserved,omitempty"`
	// Losses are what the changes would throw away, such as the messages of a queue
	// or the events of a function.
	// Where there are any, a deployment has to say that it may.
	Losses []string `json:"losses,omitempty"`
	// Missing are the code packages that the platform does not have yet.
	Missing []pinfold.Package `json:"missing,omitempty"`
	// Base identifies the state that the plan was made against; a deployment
	// that names it is refused if the state has changed meanwhile.
	Base string `json:"base"`
}

// Deployed is an application that is there.
type Deployed struct {
	App       string             `json:"app"`
	Stage     string             `json:"stage"`
	Functions []DeployedFunction `json:"functions"`
	Routes    []DeployedRoute    `json:"routes,omitempty"`
	APIKeys   []pinfold.APIKey   `json:"apiKeys,omitempty"`
	Queues    []DeployedQueue    `json:"queues,omitempty"`
	Mappings  []DeployedMapping  `json:"mappings,omitempty"`
	Schedules []DeployedSchedule `json:"schedules,omitempty"` // rules among them
	Outputs   []Output           `json:"outputs,omitempty"`
	// DeployedAt is in Unix milliseconds.
	DeployedAt int64 `json:"deployedAt"`
}

// DeployedFunction is a function as it stands.
type DeployedFunction struct {
	Name    string `json:"name"`
	ARN     string `json:"arn"`
	Runtime string `json:"runtime"`
	Version string `json:"version"` // newest published version, or $LATEST
	URL     string `json:"url,omitempty"`
}

// DeployedRoute is a route and the URL to call it.
type DeployedRoute struct {
	Method   string `json:"method"`
	Path     string `json:"path"`
	URL      string `json:"url"`
	Function string `json:"function"`
	Private  bool   `json:"private,omitempty"` // needs an API key
}

// DeployedQueue is a queue and how many messages it has.
type DeployedQueue struct {
	Name     string `json:"name"`
	ARN      string `json:"arn"`
	URL      string `json:"url"`
	Visible  int    `json:"visible"`
	InFlight int    `json:"inFlight"`
	Delayed  int    `json:"delayed"`
}

// DeployedMapping is an event source mapping as it stands.
type DeployedMapping struct {
	UUID     string `json:"uuid"`
	Source   string `json:"source"`           // ARN
	Function string `json:"function"`         // NAME or NAME:QUALIFIER
	State    string `json:"state"`            // in Lambda's words
	Result   string `json:"result,omitempty"` // of the last batch
}

// DeployedSchedule is a schedule, or a rule, as it stands.
type DeployedSchedule struct {
	Name       string   `json:"name"` // GROUP/NAME where it is in a group of its own
	ARN        string   `json:"arn"`
	Expression string   `json:"expression"`
	Zone       string   `json:"zone,omitempty"`
	Enabled    bool     `json:"enabled"`
	Targets    []string `json:"targets"` // names of functions and queues
}
