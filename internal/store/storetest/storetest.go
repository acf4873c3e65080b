// Package storetest is the conformance suite of the store.Control contract:
// every engine passes it. It stands beside the contract and knows no engine.
package storetest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// Run tests an engine. open returns an empty store that the test owns; it has
// it closed by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Control) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Control)
	}{
		{"every table keeps its records", keepsRecords},
		{"get, put, delete", getPutDelete},
		{"delete takes everything below a key", deletesBelow},
		{"keys are compared byte by byte", ordersKeys},
		{"versions sort as numbers", ordersVersions},
		{"a prefix is whole elements", prefixes},
		{"pages", pages},
		{"a page may start anywhere", startsAnywhere},
		{"a key of the wrong length is refused", refusesKeys},
		{"an error rolls back", rollsBack},
		{"a panic rolls back", rollsBackOnPanic},
		{"a cancelled update rolls back", rollsBackOnCancel},
		{"after commit", afterCommit},
		{"a view sees one moment", viewsAreSnapshots},
		{"a view cannot write", viewsAreReadOnly},
		{"views go on during an update", viewsDuringUpdate},
		{"updates run one at a time", updatesQueue},
		{"joined transactions are one", joins},
		{"what is returned is the caller's own", copies},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

var ctx = context.Background()

func update(t *testing.T, c store.Control, fn func(tx store.Tx)) {
	t.Helper()
	if err := c.Update(ctx, func(tx store.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t *testing.T, c store.Control, fn func(tx store.Tx)) {
	t.Helper()
	if err := c.View(ctx, func(tx store.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatalf("View: %v", err)
	}
}

// must reports an error of one operation and goes on: it is called inside transactions.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func wantNumber(t *testing.T, tx store.Tx, key store.Key, want int64) {
	t.Helper()
	if got, err := tx.Sequences().Get(key); err != nil || got != want {
		t.Errorf("Get(%q) = %d, %v; want %d", key, got, err, want)
	}
}

func wantNothing(t *testing.T, tx store.Tx, key store.Key) {
	t.Helper()
	if got, err := tx.Sequences().Get(key); pinfold.CodeOf(err) != pinfold.NotFound {
		t.Errorf("Get(%q) = %d, %v; want an error with code NotFound", key, got, err)
	}
}

// list returns the keys of a page of sequences, each with its elements joined by a slash.
func list(t *testing.T, tx store.Tx, prefix, after store.Key, limit int) []string {
	t.Helper()
	records, err := tx.Sequences().List(prefix, after, limit)
	must(t, err)
	var keys []string
	for _, r := range records {
		keys = append(keys, strings.Join(r.Key, "/"))
		if len(r.Key) != 3 {
			t.Errorf("List returned the key %q, which is not a full one", r.Key)
		}
	}
	return keys
}

func wantKeys(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// fill puts sequences at keys whose elements are joined by a slash.
func fill(t *testing.T, c store.Control, keys ...string) {
	t.Helper()
	update(t, c, func(tx store.Tx) {
		for i, k := range keys {
			must(t, tx.Sequences().Put(strings.SplitN(k, "/", 3), int64(i)))
		}
	})
}

func keepsRecords(t *testing.T, c store.Control) {
	ref := pinfold.FunctionRef{Account: "1", Region: "r", Name: "f"}
	at := time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)
	seven, weird := 7, "é\U0001F98A\" \\ \n\t'; DROP TABLE versions; --"
	roundTrip(t, c, store.Tx.Functions, store.Key{"1", "r", "f"}, pinfold.Function{Ref: ref, Tags: map[string]string{"k": weird}, ReservedConcurrency: &seven, Queue: &pinfold.Queue{Max: 10, Wait: 30}, Recursive: true})
	roundTrip(t, c, store.Tx.Versions, store.Key{"1", "r", "f", "$LATEST"}, pinfold.Version{
		Ref: ref.With("$LATEST"), Code: pinfold.Package{SHA256: "ab", Size: 1 << 40}, RevisionID: "rev", LastModified: at,
		Config: pinfold.Config{Runtime: "nodejs24.x", Handler: "i.h", MemoryMB: 128, Timeout: 3, EphemeralMB: 512, MaxConcurrency: 10, CapacityProvider: "cp",
			Environment: map[string]string{"A": weird}, Layers: []pinfold.LayerRef{{ARN: "arn", Code: pinfold.Package{SHA256: "cd", Size: 2}}}},
	})
	roundTrip(t, c, store.Tx.Aliases, store.Key{"1", "r", "f", "live"}, pinfold.Alias{Ref: ref.With("live"), Version: "1", Additional: "2", Weight: 0.1, RevisionID: "rev"})
	roundTrip(t, c, store.Tx.URLs, store.Key{"1", "r", "f", ""}, pinfold.URL{Ref: ref, ID: "id", AuthType: "NONE", CORS: &pinfold.CORS{AllowOrigins: []string{"*"}}, Created: at, Modified: at})
	roundTrip(t, c, store.Tx.Provisioned, store.Key{"1", "r", "f", "live"}, pinfold.Provisioned{Ref: ref.With("live"), Count: 7, Modified: at,
		Schedule: []pinfold.ScheduledCount{{Cron: "0 8 * * 1-5", Timezone: "Europe/Berlin", Count: 9}, {Cron: "0 20 * * *"}}})
	roundTrip(t, c, store.Tx.Layers, store.Key{"1", "r", "l", "0000000001"}, pinfold.Layer{Account: "1", Region: "r", Name: "l", Version: 1, Runtimes: []string{"python3.13"}, Created: at})
	roundTrip(t, c, store.Tx.Policies, store.Key{"1", "r", ref.ARN()}, store.Policy{Document: `{"Version":"2012-10-17"}`, RevisionID: "rev"})
	roundTrip(t, c, store.Tx.APIs, store.Key{"1", "r", "id"}, pinfold.API{ID: "id", Kind: pinfold.RESTAPI, Routes: []pinfold.Route{{Method: "GET", Path: "/{id}", Target: ref, Payload: "1.0"}}})
	roundTrip(t, c, store.Tx.Apps, store.Key{"1", "r", "a", "dev"}, store.App{Name: "a", Stage: "dev", Document: []byte{0, 255, '{'}, DeployedAt: 1 << 41})
	roundTrip(t, c, store.Tx.Sequences, store.Key{"1", "r", "s"}, int64(1)<<62+1)
	minute := pinfold.Seconds(60)
	target := pinfold.ScheduleTarget{ID: "t", ARN: ref.ARN(), Input: weird, MaximumEventAge: &minute, MaximumRetries: &seven, DeadLetter: "arn"}
	roundTrip(t, c, store.Tx.Queues, store.Key{"1", "r", "q.fifo"}, pinfold.MessageQueue{Account: "1", Region: "r", Name: "q.fifo", ID: "id", FIFO: true, Retention: 60,
		Redrive: &pinfold.Redrive{DeadLetter: "arn", MaxReceiveCount: 3}, RedriveAllow: &pinfold.RedriveAllow{Permission: "byQueue", Sources: []string{"arn"}}, Kept: map[string]string{"KmsMasterKeyId": "k"}, Created: at})
	roundTrip(t, c, store.Tx.MoveTasks, store.Key{"1", "r", "dead", "h"}, pinfold.MoveTask{Source: "arn", MaxPerSecond: 7, Handle: "h", Status: "RUNNING", Moved: 3, Started: at})
	roundTrip(t, c, store.Tx.EventInvokes, store.Key{"1", "r", "f", "$LATEST"}, pinfold.EventInvokeConfig{Ref: ref.With("$LATEST"), MaximumRetryAttempts: &seven, MaximumEventAge: &minute, OnFailure: "arn", Modified: at})
	roundTrip(t, c, store.Tx.Mappings, store.Key{"1", "r", "uuid"}, pinfold.EventSourceMapping{UUID: "uuid", Source: "arn", Function: ref, Enabled: true, BatchSize: 10, Filters: []string{weird}, MinimumPollers: &seven, Modified: at})
	roundTrip(t, c, store.Tx.Schedules, store.Key{"1", "r", "default", "s"}, pinfold.Schedule{Group: "default", Name: "s", Expression: "rate(1 minute)", Zone: "Europe/Berlin", Start: at, Window: time.Minute, Missed: pinfold.MissedOnce, Target: target, Created: at})
	roundTrip(t, c, store.Tx.ScheduleGroups, store.Key{"1", "r", "g"}, pinfold.ScheduleGroup{Name: "g", Tags: map[string]string{"k": weird}, Created: at})
	roundTrip(t, c, store.Tx.Rules, store.Key{"1", "r", "default", "r"}, pinfold.Rule{Bus: "default", Name: "r", Expression: "cron(0 8 * * ? *)", Disabled: true, Targets: []pinfold.ScheduleTarget{target}, Created: at})
}

func roundTrip[T any](t *testing.T, c store.Control, table func(store.Tx) store.Table[T], key store.Key, value T) {
	t.Helper()
	update(t, c, func(tx store.Tx) { must(t, table(tx).Put(key, value)) })
	view(t, c, func(tx store.Tx) {
		got, err := table(tx).Get(key)
		if want := printable(value); err != nil || printable(got) != want {
			t.Errorf("%T came back as\n     %+v (%v)\nwant %s", value, got, err, want)
		}
	})
}

// printable puts values in place of the pointers of a record.
func printable(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func getPutDelete(t *testing.T, c store.Control) {
	key := store.Key{"a", "r", "k"}
	view(t, c, func(tx store.Tx) { wantNothing(t, tx, key) })
	update(t, c, func(tx store.Tx) {
		must(t, tx.Sequences().Put(key, 1))
		wantNumber(t, tx, key, 1) // a transaction sees its own changes
		must(t, tx.Sequences().Put(key, 2))
		wantNumber(t, tx, key, 2)
	})
	update(t, c, func(tx store.Tx) {
		wantNumber(t, tx, key, 2)
		must(t, tx.Sequences().Delete(key))
		wantNothing(t, tx, key)
		must(t, tx.Sequences().Delete(key)) // nothing there is not an error
	})
	view(t, c, func(tx store.Tx) { wantNothing(t, tx, key) })
}

func deletesBelow(t *testing.T, c store.Control) {
	fill(t, c, "a/r/1", "a/r/2", "a/s/1", "ab/r/1", "b/r/1")
	update(t, c, func(tx store.Tx) { must(t, tx.Sequences().Delete(store.Key{"a", "r"})) })
	view(t, c, func(tx store.Tx) { wantKeys(t, "without a/r", list(t, tx, nil, nil, 0), "a/s/1", "ab/r/1", "b/r/1") })
	update(t, c, func(tx store.Tx) { must(t, tx.Sequences().Delete(store.Key{"a"})) })
	view(t, c, func(tx store.Tx) { wantKeys(t, "without a", list(t, tx, nil, nil, 0), "ab/r/1", "b/r/1") })
}

func ordersKeys(t *testing.T, c store.Control) {
	want := []string{"A/r/k", "B/r/k", "a/$LATEST/k", "a/-/k", "a/0/k", "a/0/k ", "a/0/k!", "a/0/ka", "a/Z/", "a/_/k", "a/z/k", "a-/0/k", "aa/0/k", "b/r/10", "b/r/9", "é/r/k", "\U0001F98A/r/k"}
	shuffled := slices.Clone(want)
	slices.Reverse(shuffled)
	fill(t, c, shuffled...)
	view(t, c, func(tx store.Tx) { wantKeys(t, "all keys", list(t, tx, nil, nil, 0), want...) })
}

func ordersVersions(t *testing.T, c store.Control) {
	versions := []string{"$LATEST", "1", "2", "9", "10", "11", "99", "100", "4294967295"}
	for _, v := range slices.Backward(versions) {
		update(t, c, func(tx store.Tx) {
			must(t, tx.Versions().Put(store.Key{"a", "r", "f", store.VersionKey(v)}, pinfold.Version{Ref: pinfold.FunctionRef{Qualifier: v}}))
		})
	}
	view(t, c, func(tx store.Tx) {
		records, err := tx.Versions().List(store.Key{"a", "r", "f"}, nil, 0)
		must(t, err)
		var got []string
		for _, r := range records {
			got = append(got, r.Value.Ref.Qualifier)
		}
		wantKeys(t, "versions", got, versions...)
		for _, none := range []string{"01", "-1", "+1", "live", "4294967296"} {
			if _, err := tx.Versions().Get(store.Key{"a", "r", "f", store.VersionKey(none)}); pinfold.CodeOf(err) != pinfold.NotFound {
				t.Errorf("version %q: %v; want NotFound", none, err)
			}
		}
	})
}

func prefixes(t *testing.T, c store.Control) {
	fill(t, c, "a/r/1", "a/r/2", "a/rr/1", "aa/r/1", "a//1", "a%/r/1", "a_/r/1")
	view(t, c, func(tx store.Tx) {
		wantKeys(t, "below a", list(t, tx, store.Key{"a"}, nil, 0), "a//1", "a/r/1", "a/r/2", "a/rr/1")
		wantKeys(t, "below a/r", list(t, tx, store.Key{"a", "r"}, nil, 0), "a/r/1", "a/r/2")
		wantKeys(t, "below a/(empty)", list(t, tx, store.Key{"a", ""}, nil, 0), "a//1")
		wantKeys(t, "a full key", list(t, tx, store.Key{"a", "r", "2"}, nil, 0), "a/r/2")
		wantKeys(t, "below nothing", list(t, tx, store.Key{"x"}, nil, 0))
	})
}
