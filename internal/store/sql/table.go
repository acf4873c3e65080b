package sql

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// schema describes one kind of record: its table and the columns of its key.
type schema struct {
	table string
	key   []string
}

// The tables of store.Tx; the migrations create them.
var (
	functions = schema{"functions", []string{"account", "region", "name"}}
	versions  = schema{"versions", []string{"account", "region", "name", "version"}}
	aliases   = schema{"aliases", []string{"account", "region", "name", "alias"}}
	urls      = schema{"urls", []string{"account", "region", "name", "qualifier"}}
	provision = schema{"provisioned", []string{"account", "region", "name", "qualifier"}}
	layers    = schema{"layers", []string{"account", "region", "name", "version"}}
	policies  = schema{"policies", []string{"account", "region", "resource"}}
	apis      = schema{"apis", []string{"account", "region", "id"}}
	apps      = schema{"apps", []string{"account", "region", "name", "stage"}}
	sequences = schema{"sequences", []string{"account", "region", "name"}}

	queues         = schema{"queues", []string{"account", "region", "name"}}
	moveTasks      = schema{"move_tasks", []string{"account", "region", "name", "handle"}}
	eventInvokes   = schema{"event_invokes", []string{"account", "region", "name", "qualifier"}}
	mappings       = schema{"mappings", []string{"account", "region", "uuid"}}
	schedules      = schema{"schedules", []string{"account", "region", "schedule_group", "name"}}
	scheduleGroups = schema{"schedule_groups", []string{"account", "region", "name"}}
	rules          = schema{"rules", []string{"account", "region", "bus", "name"}}
)

// table is store.Table over one schema within a transaction.
type table[T any] struct {
	ctx context.Context
	tx  *sql.Tx
	schema
}

func (t table[T]) Get(key store.Key) (value T, err error) {
	if err := t.full(key); err != nil {
		return value, err
	}
	var record string
	row := t.tx.QueryRowContext(t.ctx, "SELECT record FROM "+t.table+" WHERE "+equal(t.key), args(key)...)
	switch err := row.Scan(&record); {
	case errors.Is(err, sql.ErrNoRows):
		return value, pinfold.Errorf(pinfold.NotFound, "there is no %s in table %s", strings.Join(key, "/"), t.table)
	case err != nil:
		return value, failed(err, "read table %s", t.table)
	}
	return t.decode(key, record)
}

func (t table[T]) Put(key store.Key, value T) error {
	if err := t.full(key); err != nil {
		return err
	}
	record, err := json.Marshal(value)
	if err != nil {
		return pinfold.Errorf(pinfold.Internal, "encode %s for table %s: %w", strings.Join(key, "/"), t.table, err)
	}
	columns := strings.Join(t.key, ", ")
	_, err = t.tx.ExecContext(t.ctx, "INSERT INTO "+t.table+" ("+columns+", record) VALUES ("+marks(len(key)+1)+
		") ON CONFLICT ("+columns+") DO UPDATE SET record = excluded.record", append(args(key), string(record))...)
	return failed(err, "write table %s", t.table)
}

func (t table[T]) Delete(key store.Key) error {
	if len(key) == 0 || len(key) > len(t.key) {
		return t.misused(key)
	}
	_, err := t.tx.ExecContext(t.ctx, "DELETE FROM "+t.table+" WHERE "+equal(t.key[:len(key)]), args(key)...)
	return failed(err, "delete from table %s", t.table)
}

func (t table[T]) List(prefix, after store.Key, limit int) ([]store.Record[T], error) {
	if len(prefix) > len(t.key) || len(after) > len(t.key) {
		return nil, t.misused(append(slices.Clone(prefix), after...))
	}
	where, values, some := t.span(prefix, after)
	if !some {
		return nil, nil
	}
	columns := strings.Join(t.key, ", ")
	query := "SELECT " + columns + ", record FROM " + t.table + where + " ORDER BY " + columns
	if limit > 0 {
		query += " LIMIT ?"
		values = append(values, limit)
	}
	rows, err := t.tx.QueryContext(t.ctx, query, values...)
	if err != nil {
		return nil, failed(err, "list table %s", t.table)
	}
	defer rows.Close()
	var found []store.Record[T]
	for rows.Next() {
		key, record := make(store.Key, len(t.key)), ""
		into := make([]any, 0, len(key)+1)
		for i := range key {
			into = append(into, &key[i])
		}
		if err := rows.Scan(append(into, &record)...); err != nil {
			return nil, failed(err, "list table %s", t.table)
		}
		value, err := t.decode(key, record)
		if err != nil {
			return nil, err
		}
		found = append(found, store.Record[T]{Key: key, Value: value})
	}
	return found, failed(rows.Err(), "list table %s", t.table)
}

// span returns the condition for full keys below prefix that come after
// `after`, and false if there can be none. The columns that prefix fixes are
// not compared again, so that an index range answers it.
func (t table[T]) span(prefix, after store.Key) (where string, values []any, some bool) {
	var conditions []string
	if len(prefix) > 0 {
		conditions, values = append(conditions, equal(t.key[:len(prefix)])), args(prefix)
	}
	common := min(len(prefix), len(after))
	switch order := slices.Compare(prefix[:common], after[:common]); {
	case order < 0: // all of prefix comes before
		return "", nil, false
	case order > 0: // all of it comes after
	case len(after) == len(t.key) && len(prefix) == len(t.key):
		return "", nil, false
	case len(after) > len(prefix):
		rest := after[len(prefix):]
		// A key that is shorter than a full one comes before all that it is a prefix of.
		operator := cmp.Or(map[bool]string{true: " > "}[len(after) == len(t.key)], " >= ")
		conditions = append(conditions, "("+strings.Join(t.key[len(prefix):len(after)], ", ")+")"+operator+"("+marks(len(rest))+")")
		values = append(values, args(rest)...)
	}
	if len(conditions) > 0 {
		where = " WHERE " + strings.Join(conditions, " AND ")
	}
	return where, values, true
}

func (t table[T]) decode(key store.Key, record string) (value T, err error) {
	if err := json.Unmarshal([]byte(record), &value); err != nil {
		return value, pinfold.Errorf(pinfold.Internal, "the record %s in table %s cannot be read: %w", strings.Join(key, "/"), t.table, err)
	}
	return value, nil
}

func (t table[T]) full(key store.Key) error {
	if len(key) != len(t.key) {
		return t.misused(key)
	}
	return nil
}

func (t table[T]) misused(key store.Key) error {
	return pinfold.Errorf(pinfold.Internal, "%q is not a key of table %s, which has %s", []string(key), t.table, strings.Join(t.key, ", "))
}

// equal returns a condition that fixes columns.
func equal(columns []string) string { return strings.Join(columns, " = ? AND ") + " = ?" }

// marks returns n placeholders.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func args(key store.Key) []any {
	values := make([]any, len(key), len(key)+2)
	for i, k := range key {
		values[i] = k
	}
	return values
}
