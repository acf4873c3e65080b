// Package blob is the contract for large immutable values, such as code
// packages: written whole, read by name. The engine of the single machine is
// the folder in this package; S3 comes beside it.
package blob

import (
	"context"
	"io"
)

// Store keeps blobs by key. Keys are slash-separated names of lower-case
// letters, digits, dots and dashes, none of which begins with a dot; any other
// key is an error with code Invalid. No key may continue another one after a
// slash.
type Store interface {
	// Put stores r's content under key, replacing what was there, all or
	// nothing. When it returns nil the content is on disk. A full disk is an
	// error with code Unavailable.
	Put(ctx context.Context, key string, r io.Reader) error
	// Open returns the blob's content, or an error with code NotFound.
	Open(ctx context.Context, key string) (Blob, error)
	// Delete removes a blob; a missing one is not an error.
	Delete(ctx context.Context, key string) error
}

// Blob is an open blob.
type Blob interface {
	io.ReadCloser
	io.ReaderAt
	Size() int64
}
