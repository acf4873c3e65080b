// Package sql is the engine of the store.Control contract on a SQL database:
// SQLite in the process, in one file.
//
// Each kind of record is a table with the columns of its key and one of JSON.
// The statements are the ones that SQLite and PostgreSQL share, so that the
// second engine is another connection, not another package. Migrations are
// embedded and run at Open; a file that a newer Pinfold has migrated is
// refused rather than guessed at.
//
// Readers and the one writer have connections of their own (write-ahead log),
// so a View never waits for an Update. Every commit is synced: an Update that
// returned nil is there after kill -9 and after a power cut.
package sql
