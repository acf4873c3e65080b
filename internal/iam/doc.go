// Package iam is the service that knows who may do what: the root access key,
// the session credentials of running functions, and the authorize hook that
// stands in the way of every operation.
//
// It is deliberately conservative: there are no users and no policies yet, so
// the owner of the account may do everything, the platform's own parts may
// invoke functions, and a function may invoke functions of its account and ask
// who it is. It checks no signatures: internal/wire/sigv4 does that with the
// secrets it finds here.
package iam
