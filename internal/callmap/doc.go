// Package callmap finds out who calls what from the records of invocations. It
// stands between a store of records and who asks, and knows neither: what comes
// in are records, what goes out are the edges of a graph.
//
// A call that a function makes to a service, and the invocation that it causes,
// are two records: the second has the first one's span as its parent. Together
// they are one edge from function to function. Records come newest first, so the
// invocation comes before what caused it, and waits for it here.
//
// Memory is bounded, whatever the records say: so many edges, so many that wait.
// What waits too long counts as caused by what its trigger says.
package callmap
