package function

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// checkUnzipped holds the unpacked size of a package and the layers beside it
// against the limit.
func (r *Registry) checkUnzipped(ctx context.Context, code pinfold.Package, layers []pinfold.LayerRef) error {
	total, err := r.o.Code.Unpacked(ctx, code)
	if err != nil {
		return orMissing(err, invalid("The code package %s is not stored: upload it first.", code.SHA256))
	}
	if total >= r.o.Limits.Unzipped {
		return invalid("Unzipped size must be smaller than %d bytes", r.o.Limits.Unzipped)
	}
	for _, l := range layers {
		size, err := r.o.Code.Unpacked(ctx, l.Code)
		if err != nil {
			return err
		}
		total += size
	}
	if total > r.o.Limits.Unzipped {
		return invalid("Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", r.o.Limits.Unzipped, total)
	}
	return nil
}

// checkStorage holds the zipped size of everything, with more bytes of it,
// against the limit.
func (r *Registry) checkStorage(tx store.Tx, more int64) error {
	if more <= 0 {
		return nil
	}
	t := &r.shared.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := r.o.Now(); now.Sub(t.counted).Abs() > recount || t.used+more > r.o.Limits.CodeStorage {
		used, err := r.codeSize(tx)
		if err != nil {
			return err
		}
		t.used, t.counted = used, now
	}
	if t.used+more > r.o.Limits.CodeStorage {
		return pinfold.Errorf(pinfold.TooLarge, "Code storage limit exceeded.").WithReason(codeStorage)
	}
	t.used += more
	return nil
}

// tally is how much code there is at most. Everything is counted now and then,
// and when that seems to come to the limit; between that it follows what is added,
// and not what is deleted or rolled back. To count for each of ten thousand
// functions takes longer than all that is done for it besides.
type tally struct {
	mu      sync.Mutex
	used    int64
	counted time.Time
}

// recount is for how long a count holds. Other servers may share the store.
const recount = time.Minute

// codeSize adds up the zipped code of all versions and layers: AWS counts a
// package once for each version that has it.
func (r *Registry) codeSize(tx store.Tx) (total int64, err error) {
	versions, err := tx.Versions().List(r.scopeKey(), nil, 0)
	for _, v := range versions {
		total += v.Value.Code.Size
	}
	if err != nil {
		return 0, err
	}
	layers, err := tx.Layers().List(r.scopeKey(), nil, 0)
	for _, l := range layers {
		total += l.Value.Code.Size
	}
	return total, err
}

// Packages returns every code package that a version or layer refers to: what
// must be kept. Packages of functions alone keep those of deleted layers.
func (r *Registry) Packages(ctx context.Context) (packages []pinfold.Package, err error) {
	seen := map[pinfold.Package]bool{}
	add := func(p pinfold.Package) {
		if !seen[p] {
			seen[p] = true
			packages = append(packages, p)
		}
	}
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		versions, err := tx.Versions().List(nil, nil, 0)
		if err != nil {
			return err
		}
		for _, v := range versions {
			add(v.Value.Code)
			for _, l := range v.Value.Config.Layers {
				add(l.Code)
			}
		}
		layers, err := tx.Layers().List(nil, nil, 0)
		for _, l := range layers {
			add(l.Value.Code)
		}
		return err
	})
	return packages, err
}

// base64Hash writes a hash the way AWS shows it.
func base64Hash(hash string) string {
	sum, err := hex.DecodeString(hash)
	if err != nil {
		return hash
	}
	return base64.StdEncoding.EncodeToString(sum)
}

func routingText(version string, weight float64) string {
	return fmt.Sprintf("{%s=%v}", version, weight)
}
