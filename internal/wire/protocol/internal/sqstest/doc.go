// Package sqstest has shapes of a few operations of Amazon SQS, generated like
// those of a served service: with them the tests of package protocol prove the
// protocol json 1.0 against AWS's own client.
package sqstest
