package function

import (
	"strconv"
	"strings"

	"pinfold.dev/pinfold"
)

// maxName is the longest function name. Source: "Lambda quotas".
const maxName = 64

// Ref reads a function's name in any of AWS's forms, with a qualifier that
// stands beside it or in it. It does not ask whether the function is there.
func (r *Registry) Ref(name, qualifier string) (pinfold.FunctionRef, error) {
	ref, err := pinfold.ParseFunctionRef(name, r.o.Scope)
	if err != nil {
		if pinfold.CodeOf(err) == pinfold.NotFound {
			return ref, pinfold.Errorf(pinfold.NotFound, "%w", err).WithReason(resourceNotFound)
		}
		return ref, pinfold.Errorf(pinfold.Invalid, "%w", err).WithReason(invalidParameter)
	}
	if qualifier != "" {
		if ref.Qualifier != "" && ref.Qualifier != qualifier {
			return ref, invalid("The derived qualifier from the function name does not match the specified qualifier.")
		}
		ref.Qualifier = qualifier
	}
	return ref, r.mine(ref)
}

// mine refuses a reference that a caller built for another account.
func (r *Registry) mine(ref pinfold.FunctionRef) error {
	if ref.Account != r.o.Scope.Account {
		return pinfold.Errorf(pinfold.Denied, "%s belongs to account %s, not to %s", ref.ARN(), ref.Account, r.o.Scope.Account).WithReason(accessDenied)
	}
	if !isName(ref.Name) {
		return constraint(ref.Name, "functionName", "Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+")
	}
	if len(ref.Name) > maxName {
		return pinfold.Errorf(pinfold.Invalid, "1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to %d", ref.Name, maxName).WithReason(invalidParameter)
	}
	return nil
}

// isName reports whether s could name a function, alias or layer:
// [a-zA-Z0-9-_]+ without the cost of a regular expression, which every
// invocation would pay.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// isNumber reports whether a qualifier names a published version.
func isNumber(qualifier string) bool {
	return qualifier != "" && strings.Trim(qualifier, "0123456789") == ""
}

// isAlias reports whether a qualifier can only be an alias.
func isAlias(qualifier string) bool {
	return qualifier != "" && qualifier != pinfold.LatestVersion && !isNumber(qualifier)
}

// LayerName is a layer, or one version of it, by name. Version 0 is none.
type LayerName struct {
	Account, Region, Name string
	Version               int
}

// ARN returns the name as an ARN, with the version if it has one.
func (l LayerName) ARN() string {
	s := "arn:aws:lambda:" + l.Region + ":" + l.Account + ":layer:" + l.Name
	if l.Version > 0 {
		s += ":" + strconv.Itoa(l.Version)
	}
	return s
}

// LayerARN returns the ARN of a layer version.
func LayerARN(l pinfold.Layer) string {
	return LayerName{l.Account, l.Region, l.Name, l.Version}.ARN()
}

// Layer reads a layer's name or ARN, with or without a version.
func (r *Registry) Layer(name string) (LayerName, error) {
	l := LayerName{Account: r.o.Scope.Account, Region: r.o.Scope.Region, Name: name}
	if strings.HasPrefix(name, "arn:") {
		arn, ok := pinfold.ParseARN(name)
		rest, isLayer := strings.CutPrefix(arn.Resource, "layer:")
		if !ok || !isLayer || arn.Service != "lambda" {
			return l, constraint(name, "layerName", "Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+")
		}
		l.Account, l.Region = arn.Account, arn.Region
		var version string
		if l.Name, version, ok = strings.Cut(rest, ":"); ok {
			n, err := strconv.Atoi(version)
			if err != nil || n < 1 {
				return l, invalid("Layer Version Cannot be less than 1")
			}
			l.Version = n
		}
	}
	if !isName(l.Name) {
		return l, constraint(l.Name, "layerName", "Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+")
	}
	if len(l.Name) > 140 {
		return l, constraint(l.Name, "layerName", "Member must have length less than or equal to 140")
	}
	return l, nil
}
