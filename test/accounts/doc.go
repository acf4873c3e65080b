// Package accounts holds a whole platform to what it says of invocations, with
// real functions in Node.js and Python: that each leaves one record, that records,
// logs, metering and metrics agree to the millisecond, and that what one request
// causes is one trace.
package accounts
