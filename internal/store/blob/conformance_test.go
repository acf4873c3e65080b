package blob_test

import (
	"testing"

	"pinfold.dev/pinfold/internal/store/blob"
	"pinfold.dev/pinfold/internal/store/blob/blobtest"
)

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store {
		f, err := blob.NewFolder(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}
