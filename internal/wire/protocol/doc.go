// Package protocol speaks AWS's five wire protocols from the server's side:
// json 1.0, json 1.1, rest-json, rest-xml and query.
//
// It stands between the listener (internal/wire/mux) and the adapters
// (internal/wire/lambda, ...). An adapter's generated api_gen.go describes its
// service as a [Service]: operations, Go types of requests and answers, and the
// constraints that struct tags have no room for. [NewServer] compiles that once
// into plans; a [Server] then routes a request to its operation, decodes and
// validates it with AWS's own messages, asks for permission, calls the adapter
// and encodes the answer or the error. An answer that is an event stream goes
// out event by event ([Events]). It knows encodings, and no service.
package protocol
