// Package runtimes is the service that turns a sandbox into an instance of a
// function: it finds the language runtimes of the machine, starts one, gives it
// code, environment and handler, and then brings it one invocation after the
// other.
//
// A [Launcher] makes an [Instance] of a version: from nothing, or of a [Cell], a
// language runtime that has booted in a sandbox of its own before anybody knew
// what it would run. Two ways of talking serve all languages, behind the one
// interface worker:
//
//   - link.go: Node.js and Python run under bootstraps of our own, which are in
//     the folder bootstrap and speak the framed protocol below.
//   - api.go: everything else (provided.*, go1.x) brings a program called
//     bootstrap and speaks the Lambda Runtime API, version 2018-06-01, which is
//     served on a listener of the instance's own.
//
// load.go has an instance load its function, and tries once more where that fails.
// invoke.go leads an invocation through an instance, whichever way that is talked
// to; stream.go passes on an answer that comes in parts.
//
// # The log
//
// What a function writes by the means of its language comes as LOG frames, each
// with its invocation. What others write to standard output and error (custom
// runtimes, child processes, native code, crash traces) comes through a pipe that
// output.go reads. A process has written to it before it sends its answer, so when
// an answer has arrived the pipe is drained, and the log of that invocation is
// complete. Where several run at a time nobody can say whose such a line is: it
// belongs to none.
//
// # The framed protocol
//
// Version 2. The bootstrap reads from a pipe that is its descriptor 3 and writes to
// one that is its descriptor 4; why two pipes is in docs/adr/0018. It keeps both
// from the programs that the function starts. The end of descriptor 3 means that
// the platform is gone, and the bootstrap ends. Both sides send frames:
//
//	length   4 bytes, big endian: of the payload
//	id       4 bytes, big endian: of the invocation; 0 where there is none
//	type     1 byte
//	payload  length bytes
//
//	HELLO       1  from the bootstrap: it is up and has loaded what it needs to load a function; the version of its language runtime, as text
//	INIT        2  to the bootstrap: JSON, see below. The cell becomes a function's, whose code may not be there yet
//	READY       3  from the bootstrap: the handler is loaded
//	INIT_ERROR  4  from the bootstrap: it cannot be; an error envelope. The process ends
//	INVOKE      5  to the bootstrap: 4 bytes length of a head, the head, the event as it came
//	RESPONSE    6  from the bootstrap: the answer, as it goes out
//	ERROR       7  from the bootstrap: the handler failed; an error envelope. After STREAM: how the stream broke off
//	FATAL       8  like ERROR, but the process is about to end; id 0 if nothing was under way
//	STREAM      9  from the bootstrap: the answer comes in parts; its content type, or ""
//	CHUNK      10  from the bootstrap: a part, at most 64 KB
//	END        11  from the bootstrap: the stream is over
//	LOG        12  from the bootstrap: one log event of at most 256 KB, without a line end behind it; id 0 if it is no invocation's
//	CREDIT     13  to the bootstrap: 4 bytes, how many bytes of an invocation's chunks have been passed on
//	CACHE      14  from the bootstrap: compiled code of the function for its later instances, in a form of the bootstrap's own, where INIT has asked for it
//	LOAD       15  to the bootstrap, after INIT: the code is there, and is to be loaded
//
// INIT has task and opt (the folders of code and layers), handler, env, concurrency
// (how many invocations at a time), cache (a folder with what an earlier instance
// has sent by CACHE, or "") and wantCache.
//
// Compiled code comes from Python in one frame, which is kept as it is in a file
// called code; from Node.js in a frame for each file, its name, \n and its content,
// and an empty frame at last.
//
// The head of INVOKE is four lines, each ending in \n, and the rest: request id,
// time limit in milliseconds, ARN, trace header; the client context (JSON) or
// nothing. The time counts from when the handler begins.
//
// Ids are chosen by the platform and never repeat on a link. Nothing but the ids
// ties an answer to its invocation. No payload of an event or answer is decoded
// here.
//
// With a concurrency of 1 the platform may send INVOKEs ahead, while another is
// under way. The bootstrap begins with each, in their order, when it has sent the
// answer before, and that is when the platform has its time begin. If the process
// ends before that, what was sent ahead has not run, and another instance may run
// it. With more than 1, invocations run at the same time.
//
// At most 1 MB of an invocation's chunks may be without CREDIT: a function that
// writes faster than its caller reads waits. A stream is over after 200 MB at the
// latest. The platform collects it for a caller who does not stream.
//
// Frames that are ready at the same time go out in one write, on both sides.
//
// A platform that receives what it does not understand closes the link, which ends
// the instance; a bootstrap ends by itself, with status 70. Payloads over
// [pinfold.MaxPayload] are read and dropped; only their size is kept, so an
// instance cannot make the platform grow.
package runtimes
