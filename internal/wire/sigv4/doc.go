// Package sigv4 checks AWS Signature Version 4 on requests that arrive, in both
// forms: signed headers, and presigned URLs. It stands between a listener and
// everything behind it: [Authenticator] turns a request into a Principal with
// the secrets that internal/iam holds, and [Scope] tells which service a
// request is for before anybody has checked it.
//
// Source of the rules: "AWS Signature Version 4 for API requests", IAM user
// guide. testdata holds AWS's published vectors; the tests also compare with
// the signer of the AWS SDK for Go.
//
// Bodies signed in chunks (x-amz-content-sha256: STREAMING-...) are refused
// with a message that says so.
package sigv4
