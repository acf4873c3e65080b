// Package clients drives a whole platform over real sockets with the clients
// that people use: AWS's SDKs for Go, Python and JavaScript, the aws command
// line, and curl. Nothing in it knows how the platform is built.
//
// Each client leads functions through a whole life: created, waited for, called,
// changed, published, pointed to by aliases, opened by URLs, and deleted. What
// is refused must arrive as each SDK's own typed error. The Go SDK goes further:
// it calls every operation that is served (TestGoSDK fails if one is left out)
// and holds invocations to AWS's semantics (TestSemantics).
//
// The clients may be old: Debian 12 has AWS CLI 2.9, boto3 1.26 and curl 7.88.
// test/setup.sh installs what a machine lacks; a test whose client is missing
// fails.
package clients
