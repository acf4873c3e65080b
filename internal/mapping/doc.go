// Package mapping is the registry of event source mappings: which function is
// invoked with what comes from which queue, in what batches, under what filters.
//
// It is a service: it keeps its records through internal/store, asks for functions
// and queues through two small ports, and knows no wire types. It runs nothing:
// internal/source/queue does, which reads the mappings here, is told of changes
// ([Registry.OnChange]) and tells in turn what has come of them
// ([Registry.Settled], [Registry.Gone], [Registry.Processed]). So a mapping's state
// is what really is: Creating, Enabling, Updating until it is polled as it says,
// Disabling and Deleting until the last batch is over. Only whether it is enabled is
// kept in the store; the rest is of the process.
//
// Sources: "CreateEventSourceMapping" and its family, Lambda API reference; "Using
// Lambda with Amazon SQS", Lambda developer guide; texts of errors as recorded in
// localstack/localstack, tests/aws/services/lambda_/event_source_mapping, and in
// public issue threads, named where they are used.
package mapping
