// Package meter is the service that counts what functions use, exactly: every
// invocation, every billed millisecond, every byte, by function, version and
// day. It says what that costs, and how much memory would do.
//
// A [Meter] is told of every execution, as [pinfold.Observer]. Nothing is
// sampled and nothing dropped, and nothing waits for a disk: counters live in
// files that are mapped into memory and shared with the kernel, so what has been
// added is kept when this process is killed, without a system call. Once a second
// they are synced, which is what a loss of power can cost.
//
// On disk:
//
//	counters-0001.map    counters of these days: slots of a fixed size, see slot.go
//	usage-2026-11.jsonl  past days: a line for each slot, see ledger.go
//
// When a day is over its slots are folded into the month's lines and used again.
// A slot has an id, which its line has too. So whatever is interrupted between
// them is found again and neither lost nor counted twice; see [Meter.fold].
//
// What a slot is of, its key, is guarded by a checksum; a damaged slot or line
// costs what it had, and is said.
package meter
