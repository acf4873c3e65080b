package sigv4

import "pinfold.dev/pinfold"

// The Reasons of errors, as the query protocol names them. [JSONReason] has the
// names of the other protocols. Source: "Common errors" in the API references
// of STS and Lambda.
const (
	MissingAuthenticationToken = "MissingAuthenticationToken" // no signature at all
	IncompleteSignature        = "IncompleteSignature"        // one that cannot be read
	SignatureDoesNotMatch      = "SignatureDoesNotMatch"      // one that is wrong or out of its time
	InvalidClientTokenID       = "InvalidClientTokenId"       // one with a key that nobody has
)

// JSONReason returns the name that services with JSON protocols (json, and
// rest-json such as Lambda) have for a Reason of this package. Another reason
// comes back as it is.
func JSONReason(reason string) string {
	switch reason {
	case MissingAuthenticationToken:
		return "MissingAuthenticationTokenException"
	case IncompleteSignature:
		return "IncompleteSignatureException"
	case SignatureDoesNotMatch:
		return "InvalidSignatureException"
	case InvalidClientTokenID:
		return "UnrecognizedClientException"
	}
	return reason
}

func missing() error {
	return pinfold.Errorf(pinfold.Denied, "Missing Authentication Token").WithReason(MissingAuthenticationToken)
}

func incomplete(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Invalid, format, args...).WithReason(IncompleteSignature)
}

func refused(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Denied, format, args...).WithReason(SignatureDoesNotMatch)
}

func mismatch() error {
	return refused("The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
}

func invalidClientToken() error {
	return pinfold.Errorf(pinfold.Denied, "The security token included in the request is invalid.").WithReason(InvalidClientTokenID)
}
