// Package app is what a user deploys: one model of an application, whatever it
// was written in. Readers (app/serverless, later SAM and CloudFormation) turn
// files into an Application; the deployer turns an Application into functions,
// layers, APIs, queues and schedules. The model knows neither side.
//
// An Application is complete when a reader returns it: variables are resolved
// and intrinsic functions evaluated, because every name, ARN and URL follows
// from the [Target] alone.
package app

import (
	"fmt"

	"pinfold.dev/pinfold"
)

// Target is the platform that an application is read for.
type Target struct {
	Account   string            `json:"account"`
	Region    string            `json:"region"`
	Endpoints pinfold.Endpoints `json:"endpoints"`
}

// Application is everything that one manifest asks for, in one stage.
type Application struct {
	Name      string        `json:"name"`
	Stage     string        `json:"stage"`
	Functions []Function    `json:"functions"`
	Layers    []Layer       `json:"layers,omitempty"`
	APIs      []pinfold.API `json:"apis,omitempty"`
	// Events are what functions respond to besides requests, and how.
	Events
	Outputs []Output `json:"outputs,omitempty"`
	// RoleStatements are the IAM statements that the manifest gives its
	// functions, as JSON; kept for the identity service.
	RoleStatements []byte `json:"roleStatements,omitempty"`
	// Unserved is what the manifest asks for and Pinfold cannot give yet.
	Unserved []Unserved `json:"unserved,omitempty"`
	// Warnings are for the person who deploys; they stop nothing.
	Warnings []Warning `json:"-"`
	// Manifest are the files that this was read from, for whoever watches them.
	Manifest []string `json:"-"`
}

// Function is one function of an application.
type Function struct {
	Key    string         `json:"key"`  // its name in the manifest
	Name   string         `json:"name"` // its name on the platform
	Config pinfold.Config `json:"config"`
	// Layers are ARNs, or "layer:KEY" for a layer of the same application.
	// Config.Layers is empty until the deployer has resolved them.
	Layers              []string          `json:"layers,omitempty"`
	Code                pinfold.Package   `json:"code"` // set by Build
	Tags                map[string]string `json:"tags,omitempty"`
	ReservedConcurrency *int              `json:"reservedConcurrency,omitempty"`
	Queue               *pinfold.Queue    `json:"queue,omitempty"`
	// Provisioned are instances to be kept ready. They belong to an alias, which
	// follows what is deployed: routes and the function's URL lead to it.
	Provisioned *Provisioned `json:"provisioned,omitempty"`
	Recursive   bool         `json:"recursive,omitempty"` // see pinfold.Function
	// LogRetentionDays is for how many days its log group keeps its log; 0 is for
	// ever, or what somebody else has said.
	LogRetentionDays int `json:"logRetentionDays,omitempty"`
	// RoleStatements are IAM statements of this function alone, as JSON; kept
	// for the identity service.
	RoleStatements []byte `json:"roleStatements,omitempty"`
	// Publish makes a numbered version whenever code or settings change.
	Publish bool         `json:"publish,omitempty"`
	URL     *FunctionURL `json:"url,omitempty"`
	Source  *Source      `json:"-"` // where the code comes from
	At      Position     `json:"at"`
}

// Events are the queues and the times that an application has, and what leads
// from them to its functions. Whatever has a default has it filled in.
type Events struct {
	Queues         []Resource[pinfold.MessageQueue]       `json:"queues,omitempty"` // without ID and times
	EventInvokes   []Resource[pinfold.EventInvokeConfig]  `json:"eventInvokes,omitempty"`
	Mappings       []Resource[pinfold.EventSourceMapping] `json:"mappings,omitempty"`
	ScheduleGroups []Resource[pinfold.ScheduleGroup]      `json:"scheduleGroups,omitempty"`
	Schedules      []Resource[pinfold.Schedule]           `json:"schedules,omitempty"`
	Rules          []Resource[pinfold.Rule]               `json:"rules,omitempty"`
}

// Resource is a thing that an application asks for, by its place in the manifest.
type Resource[T any] struct {
	Key  string `json:"key"` // its logical ID, as CloudFormation has it
	Want T      `json:"want"`
	// Retain has it left alone when the application no longer asks for it.
	Retain bool     `json:"retain,omitempty"`
	At     Position `json:"at"`
}

// ProvisionedAlias is the alias of a function's provisioned instances. Source:
// getLambdaProvisionedConcurrencyAliasName in Serverless Framework's
// lib/plugins/aws/lib/naming.js.
const ProvisionedAlias = "provisioned"

// Provisioned is a number of instances to be kept ready; see pinfold.Provisioned.
type Provisioned struct {
	Count    int                      `json:"count"`
	Schedule []pinfold.ScheduledCount `json:"schedule,omitempty"`
}

// Invoked returns what of a function its routes and its URL invoke, given the
// function itself.
func (f *Function) Invoked(ref pinfold.FunctionRef) pinfold.FunctionRef {
	if f.Provisioned == nil {
		return ref
	}
	return ref.With(ProvisionedAlias)
}

// FunctionURL is a function's own door.
type FunctionURL struct {
	AuthType   string        `json:"authType"`   // NONE or AWS_IAM
	InvokeMode string        `json:"invokeMode"` // BUFFERED or RESPONSE_STREAM
	CORS       *pinfold.CORS `json:"cors,omitempty"`
}

// Layer is one layer of an application.
type Layer struct {
	Key           string          `json:"key"`
	Name          string          `json:"name"`
	Description   string          `json:"description,omitempty"`
	Runtimes      []string        `json:"runtimes,omitempty"`
	Architectures []string        `json:"architectures,omitempty"`
	License       string          `json:"license,omitempty"`
	Retain        bool            `json:"retain,omitempty"` // keep earlier versions
	Code          pinfold.Package `json:"code"`             // set by Build
	Source        *Source         `json:"-"`
	At            Position        `json:"at"`
}

// Output is a value that the application tells about itself.
type Output struct {
	Name        string `json:"name"`
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
}

// Unserved is a thing in the manifest that this Pinfold does not serve: an
// event kind, a resource type, a setting that would change behaviour.
type Unserved struct {
	What string   `json:"what"` // "AWS::DynamoDB::Table UsersDynamoDbTable", "event sqs of function worker"
	At   Position `json:"at"`
}

// Warning is something a person should know, such as a runtime that was
// replaced or a plugin that was ignored.
type Warning struct {
	Message string   `json:"message"`
	At      Position `json:"at"`
}

// Position is a place in a manifest. Line and Column count from 1; 0 is unknown.
type Position struct {
	File   string `json:"file,omitempty"` // relative to the application's folder
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

func (p Position) String() string {
	switch {
	case p.File == "":
		return ""
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// FileLine returns the position without its column: file:line.
func (p Position) FileLine() string {
	p.Column = 0
	return p.String()
}

// Problem is one thing wrong with an application: what, where, and what to do.
type Problem struct {
	At      Position
	Message string
}

// Problems is the error that readers return: everything that is wrong, not
// only the first thing.
type Problems []Problem

func (p Problems) Error() string {
	s := ""
	for i, problem := range p {
		if i > 0 {
			s += "\n"
		}
		if at := problem.At.String(); at != "" {
			s += at + ": "
		}
		s += problem.Message
	}
	return s
}

// Error makes a single Problem an error.
func (p Problem) Error() string { return Problems{p}.Error() }
