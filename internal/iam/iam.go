package iam

import (
	"context"
	"crypto/rand"
	"path"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
)

// Service knows the credentials of one account and decides what their bearers
// may do. Its methods may be called at the same time.
type Service struct {
	account string
	root    Credentials
	// master is the secret that the credentials of functions follow from. It
	// lives as long as the process, and so do they.
	master [32]byte
}

// New returns the identity service of an account with its root access key.
func New(account string, root Credentials) *Service {
	s := &Service{account: account, root: root}
	rand.Read(s.master[:])
	return s
}

// Root returns the owner of the account, as GetCallerIdentity shows it. Source:
// "GetCallerIdentity" in the STS API reference.
func (s *Service) Root() pinfold.Principal {
	return pinfold.Principal{
		Kind:        pinfold.Root,
		Account:     s.account,
		ARN:         "arn:aws:iam::" + s.account + ":root",
		UserID:      s.account,
		AccessKeyID: s.root.AccessKeyID,
	}
}

// Lookup finds the bearer of an access key and the secret that the key signs
// with. A function's key is only found together with its session token. The
// root key is found with any: a token left over in somebody's environment does
// not lock them out.
func (s *Service) Lookup(accessKeyID, sessionToken string) (secret string, who pinfold.Principal, found bool) {
	if accessKeyID == s.root.AccessKeyID && accessKeyID != "" {
		return s.root.SecretAccessKey, s.Root(), true
	}
	return s.lookupSession(accessKeyID, sessionToken)
}

var (
	// serviceMay is what the parts of the platform do by themselves.
	serviceMay = []string{"lambda:InvokeFunction", "lambda:InvokeFunctionUrl"}
	// roleMay is what functions commonly do, until a role has policies.
	roleMay = []string{
		"lambda:InvokeFunction", "lambda:InvokeFunctionUrl",
		"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", // AWSLambdaBasicExecutionRole
		"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
	}
)

// Authorize implements [pinfold.Authorizer].
func (s *Service) Authorize(_ context.Context, who pinfold.Principal, what pinfold.Action) error {
	// Whoever has an identity may ask for it: "No permissions are required to
	// perform this operation" (GetCallerIdentity, STS API reference).
	if what.Name == "sts:GetCallerIdentity" && who.Kind != pinfold.Anonymous && who.ARN != "" {
		return nil
	}
	switch who.Kind {
	case pinfold.Root:
		if owns(who, what.Resource) {
			return nil
		}
		return denied(who, what, "resource-based")
	case pinfold.Service:
		if slices.Contains(serviceMay, what.Name) {
			return nil
		}
	case pinfold.Role:
		if slices.Contains(roleMay, what.Name) && owns(who, what.Resource) && !othersLog(who, what.Resource) {
			return nil
		}
	}
	return denied(who, what, "identity-based")
}

// owns reports whether a resource is in the principal's account. Resources
// whose name has no account in it ("*", a bucket) belong to everyone's.
func owns(who pinfold.Principal, resource string) bool {
	arn, ok := pinfold.ParseARN(resource)
	return !ok || arn.Account == "" || arn.Account == "aws" || arn.Account == who.Account
}

// othersLog reports whether a resource is the log of another function than the
// principal: what comes into a log pushes out what is there, and this must not be
// what somebody else has written.
func othersLog(who pinfold.Principal, resource string) bool {
	arn, _ := pinfold.ParseARN(resource)
	name, ok := strings.CutPrefix(arn.Resource, "log-group:/aws/lambda/")
	name, _, _ = strings.Cut(name, ":")
	return ok && name != path.Base(who.ARN) // a session is named after its function
}

// denied is AWS's text for a request that nothing allows. Source: "Troubleshoot
// access denied error messages", IAM user guide.
func denied(who pinfold.Principal, what pinfold.Action, policy string) error {
	name := who.ARN
	if name == "" {
		name = "anonymous"
	}
	var msg strings.Builder
	msg.WriteString("User: " + name + " is not authorized to perform: " + what.Name)
	if what.Resource != "" {
		msg.WriteString(" on resource: " + what.Resource)
	}
	msg.WriteString(" because no " + policy + " policy allows the " + what.Name + " action")
	return pinfold.Errorf(pinfold.Denied, "%s", msg.String()).WithReason("AccessDeniedException")
}
