// Package trace is the service that makes a record of every invocation, and
// traces of records. It wraps the invoker ([Recorder]), so nothing on the way of an
// invocation knows of it.
//
// A trace needs nothing but records: each names its trace and what caused it, and
// has its phases, of which [Spans] makes the spans that OpenTelemetry knows. So
// they are made for those traces only that a [Sampler] keeps, long after their
// invocations, and an [Exporter] sends them to a collector; should that be slow
// or gone, traces are dropped and counted, and no invocation feels it.
//
// Where records are kept is another service's business, reached by [Sink].
package trace
