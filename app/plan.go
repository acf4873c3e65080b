package app

import "pinfold.dev/pinfold"

// Change is one line of a plan.
type Change struct {
	Op     Op       `json:"op"`
	Kind   string   `json:"kind"`             // function, layer, route, url, api
	Name   string   `json:"name"`             // "hello-dev-greet", "GET /users/{id}"
	Detail []string `json:"detail,omitempty"` // what differs: "memory 128 MB -> 256 MB", "code"
}

// Op is what happens to a thing.
type Op string

// The operations of a plan.
const (
	Add    Op = "+"
	Update Op = "~"
	Remove Op = "-"
)

// Plan is what deploying an application would change.
type Plan struct {
	App      string     `json:"app"`
	Stage    string     `json:"stage"`
	Changes  []Change   `json:"changes"`
	Unserved []Unserved `json:"unserved,omitempty"`
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
