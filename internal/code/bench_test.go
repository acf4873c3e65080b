package code

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/blob"
)

// modules is a package with node_modules of 5,000 files of 10 KB, which differ,
// and a handler.
func modules(b *testing.B, handler string) []byte {
	items := []item{{name: "index.js", content: handler}}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		content := bytes.Repeat([]byte("module.exports = require('./index.js')\n"), 10<<10/39)
		for j := 0; j < len(content); j += 16 {
			content[j] = byte('a' + random.IntN(26))
		}
		items = append(items, item{name: fmt.Sprintf("node_modules/m%d/lib/%d.js", i/20, i), content: string(content)})
	}
	return zipOf(b, items...)
}

// BenchmarkAdd adds a package of 5,001 files where nothing is known of them
// (first), and then the same with another handler (again). Where it is run
// matters: an ext4 without a journal makes files and folders twenty times slower
// for minutes after many were removed; TMPDIR can be a disk of its own.
func BenchmarkAdd(b *testing.B) {
	first, again := modules(b, "first"), modules(b, "again")
	for _, which := range []string{"first", "again"} {
		b.Run(which, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				root := b.TempDir()
				store, err := blob.NewFolder(filepath.Join(root, "blobs"))
				if err != nil {
					b.Fatal(err)
				}
				p, err := New(Options{Store: store, Dir: filepath.Join(root, "unpacked")})
				if err != nil {
					b.Fatal(err)
				}
				add := func(file []byte) (pkg pinfold.Package) {
					if pkg, err = p.Add(b.Context(), bytes.NewReader(file), 0); err != nil {
						b.Fatal(err)
					}
					return pkg
				}
				if which == "again" {
					add(first)
				}
				b.StartTimer()
				if which == "first" {
					add(first)
				} else {
					add(again)
				}
				b.StopTimer()
				p.Close()
				removeAll(root)
			}
		})
	}
}
