// Package store is the contract between the services and the engine that keeps
// their control state: functions, versions, aliases, routes, applications.
//
// Services see tables of nouns and transactions; they see no SQL. The engine is
// internal/store/sql; internal/store/storetest is the conformance suite that
// every engine passes. Code packages and objects are not here but in
// internal/store/blob.
package store

import (
	"context"
	"fmt"
	"strconv"

	"pinfold.dev/pinfold"
)

// Control keeps control state.
type Control interface {
	// View runs fn on a consistent snapshot.
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn in a transaction and commits it, or rolls it back if fn
	// returns an error. When Update returns nil the change is on disk.
	// Updates run one at a time; fn must not wait for anything but the store.
	Update(ctx context.Context, fn func(Tx) error) error
}

// Tx is a transaction: one table for each kind of record.
type Tx interface {
	Functions() Table[pinfold.Function] // key: account, region, name
	Versions() Table[pinfold.Version]   // key: account, region, name, version as in [VersionKey]
	Aliases() Table[pinfold.Alias]      // key: account, region, name, alias
	URLs() Table[pinfold.URL]           // key: account, region, name, qualifier ("" for none)
	// Provisioned has the instances to keep ready of a version or alias; key:
	// account, region, name, version as in [VersionKey] or alias.
	Provisioned() Table[pinfold.Provisioned]
	Layers() Table[pinfold.Layer] // key: account, region, name, version as in [VersionKey]
	Policies() Table[Policy]      // key: account, region, ARN of the resource
	APIs() Table[pinfold.API]     // key: account, region, id
	Apps() Table[App]             // key: account, region, name, stage
	Sequences() Table[int64]      // key: account, region, sequence name; numbers that never repeat

	Queues() Table[pinfold.MessageQueue]            // key: account, region, name
	MoveTasks() Table[pinfold.MoveTask]             // key: account, region, name of the source queue, handle
	EventInvokes() Table[pinfold.EventInvokeConfig] // key: account, region, name, version as in [VersionKey] or alias
	Mappings() Table[pinfold.EventSourceMapping]    // key: account, region, UUID
	Schedules() Table[pinfold.Schedule]             // key: account, region, group, name
	ScheduleGroups() Table[pinfold.ScheduleGroup]   // key: account, region, name
	Rules() Table[pinfold.Rule]                     // key: account, region, bus, name
	// AfterCommit has fn called once the transaction is on disk, and never if
	// it is rolled back. Functions are called in the order they were given, on
	// the goroutine of the Update and before it returns; the store is free
	// again by then. In a View they are called when it ends without an error.
	AfterCommit(fn func())
}

// Key is where a record is found: the columns named at each table of [Tx]. A
// shorter key is a prefix.
type Key []string

// Table holds records of one kind, ordered by key.
type Table[T any] interface {
	// Get returns the record at a full key, or an error with code NotFound.
	Get(Key) (T, error)
	// Put stores a record at a full key, replacing what was there.
	Put(Key, T) error
	// Delete removes every record at or below a key; none is not an error.
	Delete(Key) error
	// List returns at most limit records below a prefix, those whose full key
	// comes after the key `after` (nil: from the first), in order of keys. A
	// limit of 0 or less means no limit. Keys are returned beside the records.
	List(prefix, after Key, limit int) ([]Record[T], error)
}

// Record is a record and where it was found.
type Record[T any] struct {
	Key   Key
	Value T
}

// versionDigits is the width of a version number in a key: more than a
// function can ever publish, so that the order of keys is the order of numbers.
const versionDigits = 10

// VersionKey returns a version ("$LATEST" or a number) as the element of a
// [Key] that sorts as versions do: $LATEST first, then ascending. Anything
// else comes back as it is, and is found nowhere.
func VersionKey(version string) string {
	if n, err := strconv.ParseUint(version, 10, 32); err == nil && version == strconv.FormatUint(n, 10) {
		return fmt.Sprintf("%0*d", versionDigits, n)
	}
	return version
}

// Policy is the resource policy of a function, alias, version or layer version.
type Policy struct {
	Document   string `json:"document"` // JSON policy document
	RevisionID string `json:"revisionId"`
}

// App is a deployed application, as the deployer keeps it.
type App struct {
	Name  string `json:"name"`
	Stage string `json:"stage"`
	// Document is the application as it was deployed, in app.Application's JSON.
	Document   []byte `json:"document"`
	DeployedAt int64  `json:"deployedAt"` // Unix milliseconds
}

// Within returns a Control whose transactions all join tx: it makes several
// services' changes into one. An error of a joined Update does not undo
// anything by itself; the outer function has to return it.
func Within(tx Tx) Control { return joined{tx} }

type joined struct{ tx Tx }

func (j joined) View(_ context.Context, fn func(Tx) error) error   { return fn(j.tx) }
func (j joined) Update(_ context.Context, fn func(Tx) error) error { return fn(j.tx) }
