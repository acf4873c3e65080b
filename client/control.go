package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
)

// Info is what a server says about itself.
type Info struct {
	app.Target
	Version string `json:"version"`
	Sandbox string `json:"sandbox"` // name of the sandbox driver
	// Contained tells that the driver holds functions to their network policy
	// and to all other walls.
	Contained bool   `json:"contained"`
	MachineMB int    `json:"machineMB"` // memory of the server's machine, in MB; 0 if it is not known
	Dev       bool   `json:"dev"`
	PID       int    `json:"pid"`
	Data      string `json:"data"` // path of the data folder on the server's machine
}

// Info asks the server what it is.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var info Info
	return info, c.call(ctx, http.MethodGet, "/_pinfold/v1/info", nil, nil, &info)
}

// Health is what goes wrong with what a server keeps of invocations, and what has
// been lost since it started.
type Health struct {
	Metering        string `json:"metering,omitempty"`  // what goes wrong at the moment; "": nothing
	Collector       string `json:"collector,omitempty"` // why it takes no traces; "": it does, or there is none
	RecordsDropped  uint64 `json:"recordsDropped"`
	LogLinesDropped uint64 `json:"logLinesDropped"`
	TracesDropped   uint64 `json:"tracesDropped"` // invocations and calls that were not sent on
}

// Health asks how a server's accounts are.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var health Health
	return health, c.call(ctx, http.MethodGet, "/_pinfold/v1/health", nil, nil, &health)
}

// RuntimeNote asks what a person who deploys functions with a runtime should
// know about it on that server, such as that they run on another version. It is
// "" if there is nothing to know.
func (c *Client) RuntimeNote(ctx context.Context, runtime string) (string, error) {
	var answer struct{ Note string }
	err := c.call(ctx, http.MethodGet, "/_pinfold/v1/runtimes/"+url.PathEscape(runtime), nil, nil, &answer)
	return answer.Note, err
}

// Plan asks what deploying an application would change.
func (c *Client) Plan(ctx context.Context, a *app.Application) (*app.Plan, error) {
	plan := new(app.Plan)
	return plan, c.call(ctx, http.MethodPost, "/_pinfold/v1/plan", nil, a, plan)
}

// Option is how something is done.
type Option string

// Force has it done although messages are lost with it.
const Force Option = "force"

func query(options []Option) url.Values {
	values := url.Values{}
	for _, o := range options {
		values.Set(string(o), "true")
	}
	return values
}

// Deploy makes an application be there, all of it or nothing. If base is the
// Base of a plan, a state that is no longer the plan's is a Conflict. So is a plan
// with Losses, without Force.
func (c *Client) Deploy(ctx context.Context, a *app.Application, base string, options ...Option) (*app.Deployed, error) {
	deployed, values := new(app.Deployed), query(options)
	values.Set("base", base)
	return deployed, c.call(ctx, http.MethodPost, "/_pinfold/v1/deploy", values, a, deployed)
}

// Apps lists the deployed applications.
func (c *Client) Apps(ctx context.Context) ([]app.Deployed, error) {
	var apps []app.Deployed
	return apps, c.call(ctx, http.MethodGet, "/_pinfold/v1/apps", nil, nil, &apps)
}

// Remove removes an application with everything that it made. Queues of it that have
// messages are a Conflict, without Force.
func (c *Client) Remove(ctx context.Context, name, stage string, options ...Option) error {
	return c.call(ctx, http.MethodDelete, "/_pinfold/v1/apps/"+url.PathEscape(name)+"/"+url.PathEscape(stage), query(options), nil, nil)
}

// FunctionStatus is a function and how it is doing.
type FunctionStatus struct {
	Name      string          `json:"name"`
	Runtime   string          `json:"runtime"`
	MemoryMB  int             `json:"memoryMB"`
	App       string          `json:"app,omitempty"` // "name/stage", or "" if no application owns it
	Modified  time.Time       `json:"modified"`
	CodeSize  int64           `json:"codeSize"`
	Network   pinfold.Network `json:"network,omitzero"`    // absent: open
	Instances map[string]int  `json:"instances,omitempty"` // by state
	// Concurrency is how many invocations one instance serves at a time; absent: one.
	Concurrency int                 `json:"concurrency,omitempty"`
	Reserved    *int                `json:"reservedConcurrency,omitempty"`
	Queue       *pinfold.Queue      `json:"queue,omitempty"`
	Provisioned []ProvisionedStatus `json:"provisioned,omitempty"`
	// Events is how its asynchronous invocations are; absent: there are none that wait
	// or have failed.
	Events *pinfold.AsyncStatus `json:"events,omitempty"`
	// Mappings are the event source mappings of its versions and aliases.
	Mappings []pinfold.MappingStatus `json:"mappings,omitempty"`
}

// ProvisionedStatus is how far the instances have come that are kept ready of a
// version or alias.
type ProvisionedStatus struct {
	Qualifier string `json:"qualifier"`
	Requested int    `json:"requested"` // at this time
	Allocated int    `json:"allocated"` // started, or about to
	Available int    `json:"available"` // ready to take invocations
	Status    string `json:"status"`    // IN_PROGRESS, READY or FAILED
	Reason    string `json:"reason,omitempty"`
}

// Functions lists every function with its instances.
func (c *Client) Functions(ctx context.Context) ([]FunctionStatus, error) {
	var all []FunctionStatus
	return all, c.call(ctx, http.MethodGet, "/_pinfold/v1/functions", nil, nil, &all)
}

// Mappings lists every event source mapping, also of functions that there are not.
func (c *Client) Mappings(ctx context.Context) ([]pinfold.MappingStatus, error) {
	var all []pinfold.MappingStatus
	return all, c.call(ctx, http.MethodGet, "/_pinfold/v1/mappings", nil, nil, &all)
}

// FunctionNetwork is what a function may reach.
type FunctionNetwork struct {
	Function string          `json:"function"` // its name
	Network  pinfold.Network `json:"network"`
	App      string          `json:"app,omitempty"` // "name/stage" of the application whose manifest says so, or ""
	Enforced bool            `json:"enforced"`      // the server's sandboxes hold functions to it
}

// Network asks what a function (a name, partial ARN or ARN) may reach. A
// qualifier asks for the version that it names.
func (c *Client) Network(ctx context.Context, function string) (*FunctionNetwork, error) {
	n := new(FunctionNetwork)
	return n, c.call(ctx, http.MethodGet, networkPath(function), nil, nil, n)
}

// SetNetwork changes what a function may reach from its next instance on;
// published versions keep what they have. It returns what holds then.
func (c *Client) SetNetwork(ctx context.Context, function string, to pinfold.Network) (*FunctionNetwork, error) {
	n := new(FunctionNetwork)
	return n, c.call(ctx, http.MethodPut, networkPath(function), nil, to, n)
}

func networkPath(function string) string {
	return "/_pinfold/v1/functions/" + url.PathEscape(function) + "/network"
}

// PutPackage uploads a code package. The server checks that it is the content
// that its hash says.
func (c *Client) PutPackage(ctx context.Context, p pinfold.Package, content io.ReadSeeker) error {
	resp, err := c.do(ctx, request{
		method: http.MethodPut, path: "/_pinfold/v1/packages/" + p.SHA256,
		body: content, size: p.Size, sha256: p.SHA256,
		header: http.Header{"Content-Type": {"application/zip"}},
	})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
