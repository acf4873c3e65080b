package sql

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"

	"pinfold.dev/pinfold"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks a SQLite file as Pinfold's ("PinF"), for us and for
// file(1). See https://www.sqlite.org/pragma.html#pragma_application_id.
const applicationID = 0x50696e46

// claim makes sure that the file at path is ours, or makes an empty one with
// the right mode (SQLite would make one that everybody can read). It looks at
// the header by itself because connecting would already change the file. See
// https://www.sqlite.org/fileformat.html#the_database_header. fresh says that
// the file has no mark that lasts, and must be given one.
func claim(path string) (fresh bool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, failed(err, "make the data folder")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, failed(err, "open the data file")
	}
	defer f.Close()
	header := make([]byte, 100)
	switch n, err := io.ReadFull(f, header); {
	case n == 0 && errors.Is(err, io.EOF):
		return true, nil
	case errors.Is(err, io.ErrUnexpectedEOF), err == nil && string(header[:16]) != "SQLite format 3\x00":
		return false, pinfold.Errorf(pinfold.Invalid, "%s is not a database: give Pinfold a data folder of its own, or restore the file from a backup", path)
	case err != nil:
		return false, failed(err, "read %s", path)
	case binary.BigEndian.Uint32(header[68:]) != applicationID:
		return false, pinfold.Errorf(pinfold.Invalid, "%s is the database of another program: give Pinfold a data folder of its own", path)
	}
	// A rollback journal, which nothing has that is past its first moments,
	// means that connecting will take back what was written last: our mark.
	_, err = os.Lstat(path + "-journal")
	return err == nil, nil
}

// migrate brings the tables up to date. It asks for the version by itself
// first: almost every start finds nothing to do.
func migrate(ctx context.Context, db *sql.DB, path string) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, dir, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return pinfold.Errorf(pinfold.Internal, "read the migrations: %w", err)
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = ?", goose.DefaultTablename).Scan(&tables); err != nil {
		return failed(err, "open %s", path)
	}
	if tables > 0 {
		var current int64
		if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+goose.DefaultTablename).Scan(&current); err != nil {
			return failed(err, "read the version of %s", path)
		}
		if current > newest {
			return pinfold.Errorf(pinfold.Invalid, "%s was written by a newer Pinfold (its data has version %d, this one knows %d): start that Pinfold again, or restore a backup from before the upgrade", path, current, newest)
		}
		if current == newest {
			return nil
		}
	}
	if _, err := provider.Up(ctx); err != nil {
		return failed(err, "bring the tables of %s up to date", path)
	}
	return nil
}
