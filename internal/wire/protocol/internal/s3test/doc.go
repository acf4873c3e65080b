// Package s3test has shapes of a few operations of Amazon S3, generated like
// those of a served service: with them the tests of package protocol prove the
// protocol rest-xml against AWS's own client.
package s3test
