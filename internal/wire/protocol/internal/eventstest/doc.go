// Package eventstest has shapes of a few operations of Amazon EventBridge, generated like
// those of a served service: with them the tests of package protocol prove the
// protocol json 1.1 against AWS's own client.
package eventstest
