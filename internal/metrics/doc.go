// Package metrics is the service that shows how functions and the platform do, as
// Prometheus reads it.
//
// Executions come to it as to whoever else observes them ([pinfold.Observer]), so
// its sums are those of records and metering. What the platform knows of itself
// it is asked for when metrics are read: see [Platform].
//
// The number of series is bounded. A function that nothing was heard of for long
// loses its series, functions beyond a limit share those of "other", and so do
// types of errors, which functions may invent.
//
// docs/grafana/pinfold.json is a dashboard of these metrics.
package metrics
