// Package async is the black-box suite of asynchronous invocation: real functions,
// AWS's SDK, queues as destinations. The calendar of retries is tested in virtual
// time, in internal/async.
package async
