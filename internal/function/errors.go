package function

import (
	"pinfold.dev/pinfold"
)

// AWS's exception names, as Reason of errors.
const (
	resourceConflict   = "ResourceConflictException"
	resourceNotFound   = "ResourceNotFoundException"
	invalidParameter   = "InvalidParameterValueException"
	preconditionFailed = "PreconditionFailedException"
	noProvisioned      = "ProvisionedConcurrencyConfigNotFoundException"
	codeStorage        = "CodeStorageExceededException"
	policyLength       = "PolicyLengthExceededException"
	validation         = "ValidationException"
	accessDenied       = "AccessDeniedException"
)

func invalid(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Invalid, format, args...).WithReason(invalidParameter)
}

// constraint is the error for a value that breaks a constraint of its shape.
// The wire checks shapes before it calls; this holds the rule for everyone else.
func constraint(value any, member, rule string, args ...any) error {
	message := pinfold.Errorf(pinfold.Invalid, rule, args...).Message
	return pinfold.Errorf(pinfold.Invalid, "1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, message).WithReason(validation)
}

func conflict(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Conflict, format, args...).WithReason(resourceConflict)
}

func notFound(format string, args ...any) error {
	return pinfold.Errorf(pinfold.NotFound, format, args...).WithReason(resourceNotFound)
}

func functionNotFound(ref pinfold.FunctionRef) error {
	return notFound("Function not found: %s", ref.ARN())
}

func noSuchResource() error { return notFound("The resource you requested does not exist.") }

// revised checks a caller's precondition: an empty one is none.
func revised(given, current string) error {
	if given == "" || given == current {
		return nil
	}
	return pinfold.Errorf(pinfold.Conflict, "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id").WithReason(preconditionFailed)
}

// orMissing replaces an error with code NotFound by a better one.
func orMissing(err, missing error) error {
	if pinfold.CodeOf(err) == pinfold.NotFound {
		return missing
	}
	return err
}
