package mapping

import "pinfold.dev/pinfold"

// AWS's exception names, as Reason of errors.
const (
	resourceConflict = "ResourceConflictException"
	resourceNotFound = "ResourceNotFoundException"
	resourceInUse    = "ResourceInUseException"
	invalidParameter = "InvalidParameterValueException"
	validation       = "ValidationException"
)

func invalid(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Invalid, format, args...).WithReason(invalidParameter)
}

// constraint is the error for a value that breaks a constraint of its shape. The
// wire checks shapes before it calls; this holds the rule for everyone else.
func constraint(value any, member, rule string, args ...any) error {
	message := pinfold.Errorf(pinfold.Invalid, rule, args...).Message
	return pinfold.Errorf(pinfold.Invalid, "1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, message).WithReason(validation)
}

// orMissing says of a mapping that is not there what AWS says.
func orMissing(err error) error {
	if pinfold.CodeOf(err) == pinfold.NotFound {
		return pinfold.Errorf(pinfold.NotFound, "The resource you requested does not exist.").WithReason(resourceNotFound)
	}
	return err
}
