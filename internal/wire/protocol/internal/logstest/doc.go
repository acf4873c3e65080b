// Package logstest has shapes of an operation of Amazon CloudWatch Logs, generated
// like those of a served service: with them the tests of package protocol prove the
// event streams of the protocol json 1.1.
package logstest
