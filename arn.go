package pinfold

import (
	"strings"
)

// DefaultAccount and DefaultRegion are what a platform calls itself until its
// configuration says otherwise.
const (
	DefaultAccount = "000000000000"
	DefaultRegion  = "us-east-1"
)

// LatestVersion is the qualifier of a function's unpublished version.
const LatestVersion = "$LATEST"

// ARN is an Amazon Resource Name, arn:partition:service:region:account:resource.
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// ParseARN splits an ARN. It reports false if s is not one.
func ParseARN(s string) (ARN, bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] == "" || parts[5] == "" {
		return ARN{}, false
	}
	return ARN{parts[1], parts[2], parts[3], parts[4], parts[5]}, true
}

func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Scope is the account and region in which a short name is looked up.
type Scope struct {
	Account, Region string
}

// FunctionRef names a function and, with a Qualifier, one of its versions or
// aliases. The zero Qualifier means unqualified, which runs [LatestVersion].
type FunctionRef struct {
	Account, Region, Name, Qualifier string
}

// ParseFunctionRef reads every form in which Lambda takes a function's name,
// each with an optional qualifier:
//
//	my-function
//	123456789012:function:my-function   (partial ARN)
//	us-west-2:123456789012:function:my-function
//	arn:aws:lambda:us-west-2:123456789012:function:my-function
//
// Source: "FunctionName" in the Lambda API reference, whose pattern also takes
// "function:" for granted after an account. An ARN of another region is refused
// with the text that Lambda uses.
func ParseFunctionRef(s string, in Scope) (FunctionRef, error) {
	ref := FunctionRef{Account: in.Account, Region: in.Region}
	region, rest := in.Region, s
	if strings.HasPrefix(s, "arn:") {
		arn, ok := ParseARN(s)
		name, isFunction := strings.CutPrefix(arn.Resource, "function:")
		if !ok || arn.Service != "lambda" || !isFunction {
			return ref, Errorf(Invalid, "%q is not the ARN of a Lambda function: it must look like arn:aws:lambda:%s:%s:function:NAME", s, in.Region, in.Account)
		}
		region, ref.Account, rest = arn.Region, arn.Account, name
	} else {
		if first, more, ok := strings.Cut(s, ":"); ok && first != "function" && isAccount(more) {
			region, rest = first, more
		}
		if isAccount(rest) {
			ref.Account, rest = rest[:12], rest[13:]
		}
		rest = strings.TrimPrefix(rest, "function:")
	}
	if region != in.Region {
		return ref, Errorf(NotFound, "Functions from '%s' are not reachable in this region ('%s')", region, in.Region)
	}
	name, qualifier, qualified := strings.Cut(rest, ":")
	if name == "" || (qualified && qualifier == "") || strings.Contains(qualifier, ":") {
		return ref, Errorf(Invalid, "%q does not name a function: use NAME, NAME:VERSION, NAME:ALIAS or a function's ARN", s)
	}
	ref.Name, ref.Qualifier = name, qualifier
	return ref, nil
}

// isAccount reports whether s begins with an account's 12 digits and a colon.
func isAccount(s string) bool {
	return len(s) > 12 && s[12] == ':' && strings.Trim(s[:12], "0123456789") == ""
}

// ARN returns the reference as an ARN, qualified if the reference is.
func (r FunctionRef) ARN() string {
	s := "arn:aws:lambda:" + r.Region + ":" + r.Account + ":function:" + r.Name
	if r.Qualifier != "" {
		s += ":" + r.Qualifier
	}
	return s
}

// With returns the reference with another qualifier.
func (r FunctionRef) With(qualifier string) FunctionRef {
	r.Qualifier = qualifier
	return r
}
