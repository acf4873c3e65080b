// Package function is the registry: functions, their versions and aliases,
// layers, resource policies, tags, function URLs and settings of concurrency, with
// the rules that AWS Lambda has for them.
//
// It is a service: it keeps its records through internal/store, asks for code
// packages through its own small port [Code], and knows no wire types. The
// wire adapter, the deployer and the gateway all go through one [Registry];
// there is one way to create a function.
//
// Functions are named by [pinfold.FunctionRef]; [Registry.Ref] makes one of
// every form in which AWS takes a name. Errors carry a code and, as Reason,
// the name of AWS's exception, with AWS's text where one is known. The texts
// come from what peers recorded of the real service (the snapshot tests of
// localstack/localstack, tests/aws/services/lambda_) and from public issue
// threads; the test of a rule names its source.
//
// [Registry.Resolve] is the hot path of an invocation: it answers from memory.
// Everything else reads and writes the store.
package function
