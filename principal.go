package pinfold

import "context"

// PrincipalKind says what sort of caller a [Principal] is.
type PrincipalKind string

// The kinds of principal.
const (
	Root      PrincipalKind = "root"      // the owner of the account: may do everything
	Service   PrincipalKind = "service"   // a part of the platform acting by itself, such as the gateway
	Role      PrincipalKind = "role"      // someone acting under an assumed role, such as a running function
	Anonymous PrincipalKind = "anonymous" // nobody said who they are
)

// Principal is who asks. Every request that reaches a service has one.
type Principal struct {
	Kind        PrincipalKind
	Account     string
	ARN         string // "arn:aws:iam::ACCOUNT:root"; a Service has its AWS name, "apigateway.amazonaws.com"
	UserID      string // as GetCallerIdentity reports it
	AccessKeyID string // the key that signed, if one did
}

// Action is one thing that a principal wants to do to a resource, in AWS's
// words: "lambda:InvokeFunction" on a function's ARN.
type Action struct {
	Name     string
	Resource string
}

// Authorizer decides whether a principal may do something. It returns nil or an
// Error with code Denied whose message names who, what and on what.
type Authorizer interface {
	Authorize(ctx context.Context, who Principal, what Action) error
}
