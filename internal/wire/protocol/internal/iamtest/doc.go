// Package iamtest has shapes of a few operations of AWS IAM, generated like
// those of a served service: with them the tests of package protocol prove the
// protocol query against AWS's own client.
package iamtest
