package mapping_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/mapping"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/store/sql"
)

var scope = pinfold.Scope{Account: "123456789012", Region: "us-east-1"}

const (
	queueARN = "arn:aws:sqs:us-east-1:123456789012:jobs"
	fifoARN  = "arn:aws:sqs:us-east-1:123456789012:jobs.fifo"
)

func function(name string) pinfold.FunctionRef {
	return pinfold.FunctionRef{Account: scope.Account, Region: scope.Region, Name: name}
}

// fixture is a registry over a real store, beside a function "work" and others
// with a timeout of 3 s, "slow" with 60 s, and queues with 30 s.
type fixture struct {
	*mapping.Registry
	store store.Control
	told  []string
}

func start(t *testing.T) *fixture {
	t.Helper()
	db, err := sql.Open(t.Context(), filepath.Join(t.TempDir(), "pinfold.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f := &fixture{store: db}
	f.Registry = mapping.New(mapping.Options{
		Store: db, Scope: scope,
		Function: func(_ context.Context, _ store.Tx, ref pinfold.FunctionRef) (*pinfold.Version, error) {
			v := &pinfold.Version{Config: pinfold.Config{Timeout: 3}}
			switch ref.Name {
			case "slow":
				v.Config.Timeout = 60
			case "none":
				return nil, pinfold.Errorf(pinfold.NotFound, "Function not found")
			}
			return v, nil
		},
		Queue: func(_ context.Context, _ store.Tx, arn string) (*pinfold.MessageQueue, error) {
			if strings.HasSuffix(arn, ":none") {
				return nil, pinfold.Errorf(pinfold.NotFound, "no such queue")
			}
			return &pinfold.MessageQueue{VisibilityTimeout: 30}, nil
		},
	})
	f.OnChange(func(id string) { f.told = append(f.told, id) })
	return f
}

// create makes a mapping of "jobs" and "work" with changes.
func (f *fixture) create(t *testing.T, changes ...func(*pinfold.EventSourceMapping)) *mapping.Description {
	t.Helper()
	m := pinfold.EventSourceMapping{Source: queueARN, Function: function("work"), Enabled: true}
	for _, change := range changes {
		change(&m)
	}
	d, err := f.Create(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func wantError(t *testing.T, what string, err error, code pinfold.Code, reason, message string) {
	t.Helper()
	if pinfold.CodeOf(err) != code || pinfold.ReasonOf(err) != reason || !strings.Contains(fmt.Sprint(err), message) {
		t.Errorf("%s: %s %s: %v\nwant %s %s: %s", what, pinfold.CodeOf(err), pinfold.ReasonOf(err), err, code, reason, message)
	}
}

// TestRules holds settings to AWS's limits, in its words; rules.go names sources.
func TestRules(t *testing.T) {
	const invalid, validation = "InvalidParameterValueException", "ValidationException"
	number := func(n int) *int { return &n }
	f := start(t)
	for name, test := range map[string]struct {
		change       func(m *pinfold.EventSourceMapping)
		reason, want string
	}{
		"batch of none":       {func(m *pinfold.EventSourceMapping) { m.BatchSize = -1 }, validation, "Value '-1' at 'batchSize' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		"large batch":         {func(m *pinfold.EventSourceMapping) { m.BatchSize, m.Window = 10_001, 1 }, validation, "Member must have value less than or equal to 10000"},
		"batch needs window":  {func(m *pinfold.EventSourceMapping) { m.BatchSize = 11 }, invalid, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"},
		"batch with window":   {func(m *pinfold.EventSourceMapping) { m.BatchSize, m.Window = 10_000, 1 }, "", ""},
		"long window":         {func(m *pinfold.EventSourceMapping) { m.Window = 301 }, validation, "Value '301' at 'maximumBatchingWindowInSeconds' failed"},
		"longest window":      {func(m *pinfold.EventSourceMapping) { m.Window = 300 }, "", ""},
		"FIFO":                {func(m *pinfold.EventSourceMapping) { m.Source, m.BatchSize = fifoARN, 10 }, "", ""},
		"FIFO batch":          {func(m *pinfold.EventSourceMapping) { m.Source, m.BatchSize = fifoARN, 11 }, invalid, "Maximum batch size must be between 1 and 10 inclusive"},
		"FIFO window":         {func(m *pinfold.EventSourceMapping) { m.Source, m.Window = fifoARN, 1 }, invalid, "Batching window is not supported for FIFO queues"},
		"one at a time":       {func(m *pinfold.EventSourceMapping) { m.MaximumConcurrency = 1 }, validation, "Value '1' at 'scalingConfig.maximumConcurrency' failed to satisfy constraint: Member must have value greater than or equal to 2"},
		"1001 at a time":      {func(m *pinfold.EventSourceMapping) { m.MaximumConcurrency = 1001 }, validation, "Member must have value less than or equal to 1000"},
		"1000 at a time":      {func(m *pinfold.EventSourceMapping) { m.MaximumConcurrency = 1000 }, "", ""},
		"pollers":             {func(m *pinfold.EventSourceMapping) { m.MinimumPollers, m.MaximumPollers = number(2), number(2000) }, "", ""},
		"one poller":          {func(m *pinfold.EventSourceMapping) { m.MinimumPollers = number(1) }, invalid, "MinimumPollers must be between 2 and 200"},
		"pollers, upside":     {func(m *pinfold.EventSourceMapping) { m.MinimumPollers, m.MaximumPollers = number(9), number(8) }, invalid, "MaximumPollers between MinimumPollers and 10000"},
		"pollers and maximum": {func(m *pinfold.EventSourceMapping) { m.MinimumPollers, m.MaximumConcurrency = number(9), 8 }, invalid, "remove MaximumConcurrency"},
		"filters":             {func(m *pinfold.EventSourceMapping) { m.Filters = []string{`{"body":{"a":[1]}}`, `{"body":["x"]}`} }, "", ""},
		"filter of no field":  {func(m *pinfold.EventSourceMapping) { m.Filters = []string{`{"data":{"a":[1]}}`} }, invalid, "Invalid filter pattern definition."},
		"no filter":           {func(m *pinfold.EventSourceMapping) { m.Filters = []string{`?`} }, invalid, "Invalid filter pattern definition."},
		"AWS's tag":           {func(m *pinfold.EventSourceMapping) { m.Tags = map[string]string{"aws:x": "y"} }, invalid, "aws: are reserved"},
		"no function":         {func(m *pinfold.EventSourceMapping) { m.Function = function("none") }, invalid, "Function does not exist"},
		"slow function":       {func(m *pinfold.EventSourceMapping) { m.Function = function("slow") }, invalid, "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds"},
		"no queue":            {func(m *pinfold.EventSourceMapping) { m.Source = "arn:aws:sqs:us-east-1:123456789012:none" }, invalid, "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."},
		"no ARN":              {func(m *pinfold.EventSourceMapping) { m.Source = "jobs" }, invalid, "Unrecognized event source."},
		"a bucket":            {func(m *pinfold.EventSourceMapping) { m.Source = "arn:aws:s3:::bucket" }, invalid, "Unrecognized event source."},
	} {
		t.Run(name, func(t *testing.T) {
			m := pinfold.EventSourceMapping{Source: queueARN, Function: function("work"), Enabled: true}
			test.change(&m)
			d, err := f.Create(t.Context(), m)
			if test.want != "" {
				wantError(t, name, err, pinfold.Invalid, test.reason, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Delete(t.Context(), d.UUID); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestOtherSources: kinds of sources that AWS has are refused by their names.
func TestOtherSources(t *testing.T) {
	f := start(t)
	for source, kind := range map[string]string{
		"arn:aws:kinesis:us-east-1:123456789012:stream/s":                     "Amazon Kinesis",
		"arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2024-01-01":   "Amazon DynamoDB Streams",
		"arn:aws:kafka:us-east-1:123456789012:cluster/c/u":                    "Amazon MSK",
		"arn:aws:mq:us-east-1:123456789012:broker:b:b-1":                      "Amazon MQ",
		"arn:aws:rds:us-east-1:123456789012:cluster:docdb-2018-02-21-00-00-0": "Amazon DocumentDB",
	} {
		_, err := f.Create(t.Context(), pinfold.EventSourceMapping{Source: source, Function: function("work")})
		wantError(t, source, err, pinfold.Unserved, "InvalidParameterValueException", "Event source mappings of "+kind+" are not served by Pinfold yet")
	}
}

// TestLife follows a mapping through its states, which whoever runs it settles.
func TestLife(t *testing.T) {
	f := start(t)
	ctx := t.Context()
	d := f.create(t)
	want := func(what string, state mapping.State) {
		t.Helper()
		got, err := f.Get(ctx, d.UUID)
		if err != nil || got.State != state || got.Reason != "USER_INITIATED" {
			t.Errorf("%s: %+v, %v; want %s", what, got, err, state)
		}
	}
	update := func(change func(m *pinfold.EventSourceMapping)) {
		t.Helper()
		var err error
		if d, err = f.Update(ctx, d.UUID, change); err != nil {
			t.Fatal(err)
		}
	}
	if d.State != mapping.Creating || d.BatchSize != 10 || d.Result != "" || d.UUID == "" || d.ARN() != f.ARN(d.UUID) {
		t.Errorf("created: %+v", d)
	}
	want("created", mapping.Creating)
	f.Settled(d.EventSourceMapping)
	want("settled", mapping.Enabled)
	f.Processed(d.UUID, "OK")

	old := d.EventSourceMapping
	old.Modified = old.Modified.Add(-1)
	update(func(m *pinfold.EventSourceMapping) { m.BatchSize, m.Source, m.UUID = 5, "another", "x" })
	want("updated", mapping.Updating)
	f.Settled(old)
	want("settled what was before", mapping.Updating)
	f.Settled(d.EventSourceMapping)
	want("settled", mapping.Enabled)
	if got, err := f.Get(ctx, d.UUID); err != nil || got.BatchSize != 5 || got.Source != queueARN || got.Result != "OK" {
		t.Errorf("updated: %+v, %v", got, err)
	}

	update(func(m *pinfold.EventSourceMapping) { m.Enabled = false })
	want("to be disabled", mapping.Disabling)
	f.Settled(d.EventSourceMapping)
	want("settled", mapping.Disabled)
	update(func(m *pinfold.EventSourceMapping) { m.Enabled = true })
	want("to be enabled", mapping.Enabling)

	deleted, err := f.Delete(ctx, d.UUID)
	if err != nil || deleted.State != mapping.Deleting {
		t.Errorf("deleted: %+v, %v", deleted, err)
	}
	want("deleted", mapping.Deleting)
	f.Settled(d.EventSourceMapping)
	want("settled what was before", mapping.Deleting)
	if all, err := f.All(ctx); err != nil || len(all) != 0 {
		t.Errorf("left: %+v, %v", all, err)
	}
	_, err = f.Delete(ctx, d.UUID)
	wantError(t, "delete again", err, pinfold.Conflict, "ResourceInUseException", "Cannot delete the event source mapping because it is in use.")
	f.Gone(d.UUID)
	_, err = f.Get(ctx, d.UUID)
	wantError(t, "gone", err, pinfold.NotFound, "ResourceNotFoundException", "The resource you requested does not exist.")
	_, err = f.Delete(ctx, d.UUID)
	wantError(t, "gone", err, pinfold.NotFound, "ResourceNotFoundException", "The resource you requested does not exist.")
	_, err = f.Update(ctx, d.UUID, func(*pinfold.EventSourceMapping) {})
	wantError(t, "gone", err, pinfold.NotFound, "ResourceNotFoundException", "The resource you requested does not exist.")
	if told := slices.Compact(slices.Clone(f.told)); len(f.told) != 5 || len(told) != 1 || told[0] != d.UUID {
		t.Errorf("told of %v", f.told)
	}
}

// TestAnswersAreOfTheirMoment: what is answered is what was begun, also if it is
// settled before the answer is given.
func TestAnswersAreOfTheirMoment(t *testing.T) {
	f := start(t)
	f.OnChange(func(string) {
		all, err := f.All(t.Context())
		if err != nil {
			t.Error(err)
		}
		for _, m := range all {
			f.Settled(m)
		}
	})
	d := f.create(t)
	updated, err := f.Update(t.Context(), d.UUID, func(m *pinfold.EventSourceMapping) { m.Enabled = false })
	if err != nil || d.State != mapping.Creating || updated.State != mapping.Disabling {
		t.Errorf("%+v, %+v, %v", d, updated, err)
	}
	if got, err := f.Get(t.Context(), d.UUID); err != nil || got.State != mapping.Disabled {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestAfterStart: mappings of an earlier process are about to be polled.
func TestAfterStart(t *testing.T) {
	f := start(t)
	on := f.create(t)
	off := f.create(t, func(m *pinfold.EventSourceMapping) { m.Function, m.Enabled = function("other"), false })
	again := mapping.New(mapping.Options{Store: f.store, Scope: scope})
	for id, want := range map[string]mapping.State{on.UUID: mapping.Enabling, off.UUID: mapping.Disabled} {
		if d, err := again.Get(t.Context(), id); err != nil || d.State != want {
			t.Errorf("%+v, %v; want %s", d, err, want)
		}
	}
}

func TestOneMappingOfAQueueAndFunction(t *testing.T) {
	f := start(t)
	d := f.create(t)
	other := f.create(t, func(m *pinfold.EventSourceMapping) { m.Function = m.Function.With("live") })
	text := `An event source mapping with SQS arn (" ` + queueARN + ` ") and function (" work ") already exists. Please update or delete the existing mapping with UUID ` + d.UUID
	_, err := f.Create(t.Context(), pinfold.EventSourceMapping{Source: queueARN, Function: function("work")})
	wantError(t, "again", err, pinfold.Conflict, "ResourceConflictException", text)
	_, err = f.Update(t.Context(), other.UUID, func(m *pinfold.EventSourceMapping) { m.Function = function("work") })
	wantError(t, "changed to that", err, pinfold.Conflict, "ResourceConflictException", text)
}

// TestWithin: a mapping is made in a transaction with others, or not at all.
func TestWithin(t *testing.T) {
	f := start(t)
	failed := errors.New("another service failed")
	for _, fails := range []error{failed, nil} {
		err := f.store.Update(t.Context(), func(tx store.Tx) error {
			if _, err := f.Within(tx).Create(t.Context(), pinfold.EventSourceMapping{Source: queueARN, Function: function("work")}); err != nil {
				return err
			}
			if all, err := f.Within(tx).All(t.Context()); err != nil || len(all) != 1 {
				t.Errorf("in the transaction: %v, %v", all, err)
			}
			return fails
		})
		if !errors.Is(err, fails) {
			t.Fatal(err)
		}
		want := 0
		if fails == nil {
			want = 1
		}
		if all, err := f.All(t.Context()); err != nil || len(all) != want || len(f.told) != want {
			t.Errorf("after %v: %v, %v, told %v", fails, all, err, f.told)
		}
	}
}

func TestList(t *testing.T) {
	f := start(t)
	for i := range 5 {
		f.create(t, func(m *pinfold.EventSourceMapping) { m.Function = function(fmt.Sprint("f", i)) })
	}
	f.create(t, func(m *pinfold.EventSourceMapping) { m.Source = fifoARN })
	f.create(t, func(m *pinfold.EventSourceMapping) { m.Function.Qualifier = "live" })
	list := func(q mapping.Query) (all []*mapping.Description, pages int) {
		t.Helper()
		for {
			page, next, err := f.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			all, pages = append(all, page...), pages+1
			if q.Marker = next; next == "" {
				return all, pages
			}
		}
	}
	work := function("work")
	for _, test := range []struct {
		q           mapping.Query
		want, pages int
	}{
		{mapping.Query{}, 7, 1},
		{mapping.Query{Max: 2}, 7, 4},
		{mapping.Query{Max: 7}, 7, 1},
		{mapping.Query{Source: queueARN, Max: 3}, 6, 2},
		{mapping.Query{Source: queueARN + "x"}, 0, 1},
		{mapping.Query{Function: &work}, 1, 1},
	} {
		all, pages := list(test.q)
		if len(all) != test.want || pages != test.pages || !slices.IsSortedFunc(all, func(a, b *mapping.Description) int { return strings.Compare(a.UUID, b.UUID) }) {
			t.Errorf("%+v: %d in %d pages, want %d in %d", test.q, len(all), pages, test.want, test.pages)
		}
	}
	_, _, err := f.List(t.Context(), mapping.Query{Marker: "x"})
	wantError(t, "marker", err, pinfold.Invalid, "InvalidParameterValueException", `"x" is not a Marker`)
}

func TestTags(t *testing.T) {
	f := start(t)
	d := f.create(t, func(m *pinfold.EventSourceMapping) { m.Tags = map[string]string{"a": "1", "b": "2"} })
	id, ok := mapping.IDOf(d.ARN())
	if !ok || id != d.UUID {
		t.Fatalf("the ARN %s names %q", d.ARN(), id)
	}
	if _, ok := mapping.IDOf(function("work").ARN()); ok {
		t.Error("a function's ARN names a mapping")
	}
	want := func(tags string) {
		t.Helper()
		if got, err := f.Tags(t.Context(), id); err != nil || fmt.Sprint(got) != tags {
			t.Errorf("tags are %v, %v; want %s", got, err, tags)
		}
	}
	if err := f.Tag(t.Context(), id, map[string]string{"b": "3", "c": "4"}); err != nil {
		t.Fatal(err)
	}
	if err := f.Untag(t.Context(), id, []string{"a", "x"}); err != nil {
		t.Fatal(err)
	}
	want("map[b:3 c:4]")
	if err := f.SetTags(t.Context(), id, map[string]string{"d": "5"}); err != nil {
		t.Fatal(err)
	}
	want("map[d:5]")
	wantError(t, "reserved", f.Tag(t.Context(), id, map[string]string{"AWS:x": ""}), pinfold.Invalid, "InvalidParameterValueException", "reserved")
	want("map[d:5]")
	if len(f.told) != 1 {
		t.Errorf("told %d times", len(f.told))
	}
	wantError(t, "missing", f.Untag(t.Context(), "x", nil), pinfold.NotFound, "ResourceNotFoundException", "The resource you requested does not exist.")
}

// A deployment knows the UUID before, and may make a mapping again that is only just
// being deleted.
func TestCreateWithUUID(t *testing.T) {
	f := start(t)
	m := pinfold.EventSourceMapping{UUID: "11111111-1111-4111-a111-111111111111", Source: queueARN, Function: function("work"), Enabled: true}
	for range 2 {
		d, err := f.Create(t.Context(), m)
		if err != nil || d.UUID != m.UUID || d.State != mapping.Creating {
			t.Fatalf("%+v %v", d, err)
		}
		f.Settled(d.EventSourceMapping)
		if d, err := f.Get(t.Context(), m.UUID); err != nil || d.State != mapping.Enabled {
			t.Errorf("%+v %v", d, err)
		}
		f.Gone(m.UUID) // the one before
		if d, err := f.Get(t.Context(), m.UUID); err != nil || d.State != mapping.Enabled {
			t.Errorf("%+v %v", d, err)
		}
		if d, err = f.Delete(t.Context(), m.UUID); err != nil || d.State != mapping.Deleting {
			t.Errorf("%+v %v", d, err)
		}
	}
}
