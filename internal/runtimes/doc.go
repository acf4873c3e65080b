// Package runtimes is the service that turns a sandbox into an instance of a
// function: it finds the language runtimes of the machine, starts one, gives it
// code, environment and handler, and then brings it one invocation after the
// other.
//
// A [Launcher] makes an [Instance] of a version. Two ways of talking serve all
// languages, behind the one interface worker:
//
//   - link.go: Node.js and Python run under bootstraps of our own, which are in
//     the folder bootstrap and speak the framed protocol below.
//   - api.go: everything else (provided.*, go1.x) brings a program called
//     bootstrap and speaks the Lambda Runtime API, version 2018-06-01, which is
//     served on a listener of the instance's own.
//
// Standard output and error of an instance are one pipe, read by output.go. A
// process has written its output before it sends its answer, so when an answer
// has arrived the pipe is drained, and the log of that invocation is complete.
//
// # The framed protocol
//
// The bootstrap has one end of a stream socket as descriptor 3. Both sides send
// frames, each in one system call where the socket takes it:
//
//	length   4 bytes, big endian: of the payload
//	id       4 bytes, big endian: of the invocation; 0 where there is none
//	type     1 byte
//	payload  length bytes
//
//	HELLO       1  from the bootstrap, once its language runtime is up: the version of that, as text
//	INIT        2  to the bootstrap: JSON with task, opt, handler, env. The cell becomes a function's
//	READY       3  from the bootstrap: the handler is loaded
//	INIT_ERROR  4  from the bootstrap: it cannot be; an error envelope. The process ends
//	INVOKE      5  to the bootstrap: 4 bytes length of a head, the head (JSON), the event as it came
//	RESPONSE    6  from the bootstrap: the answer, as it goes out
//	ERROR       7  from the bootstrap: the handler failed; an error envelope
//	FATAL       8  like ERROR, but the process is about to end; id 0 if nothing was under way
//	CHUNK       9  reserved: a part of a streamed answer
//	END        10  reserved: the end of a streamed answer
//
// Ids are chosen by the platform and never repeat on a link, so several
// invocations can be under way at a time. Nothing but the ids ties an answer to
// its invocation. No payload of an event or answer is decoded here.
//
// A side that receives what it does not understand closes the socket. Payloads
// from the instance over [pinfold.MaxPayload] are read and dropped; only their
// size is kept, so an instance cannot make the platform grow.
package runtimes
