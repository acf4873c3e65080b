package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// DB keeps control state in one SQLite file. It implements store.Control.
type DB struct {
	path    string
	writer  *sql.DB // one connection: Updates queue for it
	readers *sql.DB
	closed  atomic.Bool
}

var _ store.Control = (*DB)(nil)

// maxReaders bounds the Views that run at the same time; more of them wait.
const maxReaders = 8

// Open opens the database file at path, creates it if it is missing (readable
// by its owner alone: it holds environment variables), and brings its tables
// up to date. A file that is not Pinfold's, or that a newer Pinfold has
// changed, is refused and left as it is.
func Open(ctx context.Context, path string) (*DB, error) {
	fresh, err := claim(path)
	if err != nil {
		return nil, err
	}
	settings := []string{"_txlock=immediate", "_pragma=synchronous(FULL)", "_pragma=journal_size_limit(67108864)"}
	if fresh { // the mark must be in the file itself, so before there is a log
		settings = append([]string{fmt.Sprintf("_pragma=application_id(%d)", applicationID)}, settings...)
	}
	db := &DB{path: path}
	if db.writer, err = connect(path, 1, append(settings, wal)...); err == nil {
		db.readers, err = connect(path, maxReaders, wal, "_pragma=query_only(1)")
	}
	if err == nil {
		err = migrate(ctx, db.writer, path)
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// Close closes the file. It waits for statements that are under way;
// transactions that are not committed by then are rolled back.
func (db *DB) Close() error {
	db.closed.Store(true)
	var errs []error
	for _, pool := range []*sql.DB{db.readers, db.writer} { // the writer last: it empties the log into the file
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// View implements store.Control.
func (db *DB) View(ctx context.Context, fn func(store.Tx) error) error {
	return db.run(ctx, db.readers, fn)
}

// Update implements store.Control.
func (db *DB) Update(ctx context.Context, fn func(store.Tx) error) error {
	return db.run(ctx, db.writer, fn)
}

func (db *DB) run(ctx context.Context, pool *sql.DB, fn func(store.Tx) error) error {
	if db.closed.Load() {
		return pinfold.Errorf(pinfold.Unavailable, "the store is closed")
	}
	t := &tx{ctx: ctx}
	if err := func() (err error) {
		if t.tx, err = pool.BeginTx(ctx, nil); err != nil {
			return failed(err, "begin a transaction on %s", db.path)
		}
		defer t.tx.Rollback() // without effect after a commit
		if err := fn(t); err != nil {
			return err
		}
		if err := t.tx.Commit(); ctx.Err() != nil && errors.Is(err, sql.ErrTxDone) {
			return failed(ctx.Err(), "commit to %s", db.path)
		} else {
			return failed(err, "commit to %s", db.path)
		}
	}(); err != nil {
		return err
	}
	for _, fn := range t.after {
		fn()
	}
	return nil
}

// tx implements store.Tx.
type tx struct {
	ctx   context.Context
	tx    *sql.Tx
	after []func()
}

func (t *tx) Functions() store.Table[pinfold.Function] { return in[pinfold.Function](t, functions) }
func (t *tx) Versions() store.Table[pinfold.Version]   { return in[pinfold.Version](t, versions) }
func (t *tx) Aliases() store.Table[pinfold.Alias]      { return in[pinfold.Alias](t, aliases) }
func (t *tx) URLs() store.Table[pinfold.URL]           { return in[pinfold.URL](t, urls) }
func (t *tx) Provisioned() store.Table[pinfold.Provisioned] {
	return in[pinfold.Provisioned](t, provision)
}
func (t *tx) Layers() store.Table[pinfold.Layer]  { return in[pinfold.Layer](t, layers) }
func (t *tx) Policies() store.Table[store.Policy] { return in[store.Policy](t, policies) }
func (t *tx) APIs() store.Table[pinfold.API]      { return in[pinfold.API](t, apis) }
func (t *tx) Apps() store.Table[store.App]        { return in[store.App](t, apps) }
func (t *tx) Sequences() store.Table[int64]       { return in[int64](t, sequences) }
func (t *tx) Queues() store.Table[pinfold.MessageQueue] {
	return in[pinfold.MessageQueue](t, queues)
}
func (t *tx) MoveTasks() store.Table[pinfold.MoveTask] { return in[pinfold.MoveTask](t, moveTasks) }
func (t *tx) EventInvokes() store.Table[pinfold.EventInvokeConfig] {
	return in[pinfold.EventInvokeConfig](t, eventInvokes)
}
func (t *tx) Mappings() store.Table[pinfold.EventSourceMapping] {
	return in[pinfold.EventSourceMapping](t, mappings)
}
func (t *tx) Schedules() store.Table[pinfold.Schedule] { return in[pinfold.Schedule](t, schedules) }
func (t *tx) ScheduleGroups() store.Table[pinfold.ScheduleGroup] {
	return in[pinfold.ScheduleGroup](t, scheduleGroups)
}
func (t *tx) Rules() store.Table[pinfold.Rule] { return in[pinfold.Rule](t, rules) }
func (t *tx) AfterCommit(fn func())            { t.after = append(t.after, fn) }

func in[T any](t *tx, s schema) store.Table[T] { return table[T]{t.ctx, t.tx, s} }

// wal is the setting that lets readers go on while a writer writes.
const wal = "_pragma=journal_mode(WAL)"

// connect opens a pool of connections. Settings are SQLite's, as the driver
// takes them in a URI.
func connect(path string, connections int, settings ...string) (*sql.DB, error) {
	uri := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(10000)"
	for _, s := range settings {
		uri += "&" + s
	}
	connector, err := sqlite.NewConnector(uri)
	if err != nil {
		return nil, failed(err, "open %s", path)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return pool, nil
}

// failed wraps an error of the engine with what was being done and the code
// that says who can do something about it. It returns nil for nil.
func failed(err error, doing string, args ...any) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(doing, args...)
	var e *sqlite.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return pinfold.Errorf(pinfold.Timeout, "could not %s in time: %w", what, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return full(what, err)
	case errors.As(err, &e):
		switch {
		case e.Code()&0xff == sqlite3.SQLITE_FULL, e.Code() == sqlite3.SQLITE_IOERR_WRITE, e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE:
			return full(what, err)
		case e.Code()&0xff == sqlite3.SQLITE_BUSY, e.Code()&0xff == sqlite3.SQLITE_IOERR, e.Code()&0xff == sqlite3.SQLITE_CANTOPEN:
			return pinfold.Errorf(pinfold.Unavailable, "could not %s: %w", what, err)
		case e.Code()&0xff == sqlite3.SQLITE_NOTADB:
			return pinfold.Errorf(pinfold.Invalid, "could not %s: the file is not a database: %w", what, err)
		case e.Code()&0xff == sqlite3.SQLITE_CORRUPT:
			return pinfold.Errorf(pinfold.Internal, "could not %s: the data file is damaged, restore it from a backup: %w", what, err)
		}
	}
	return pinfold.Errorf(pinfold.Internal, "could not %s: %w", what, err)
}

func full(what string, err error) error {
	return pinfold.Errorf(pinfold.Unavailable, "could not %s: the disk is full; nothing was changed, free some space and try again: %w", what, err)
}
