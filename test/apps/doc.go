// Package apps holds applications as people write them, in the frameworks and
// shapes that they use, and tests that deploy each and call it over HTTP.
//
// Folders with a package-lock.json need their packages: test/setup.sh installs
// them. The applications in examples have the shapes of public collections, such
// as github.com/serverless/examples, in code of our own.
package apps
