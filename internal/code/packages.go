package code

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/blob"
)

// Options are what a Packages needs.
type Options struct {
	Store blob.Store // holds the zip files
	// Dir is a folder that no one else writes to, for what is unpacked.
	Dir    string
	Limits Limits           // zero fields: DefaultLimits
	Now    func() time.Time // nil: time.Now
	// Grace is how long Collect keeps a package that was asked for: between an
	// upload and the registry's reference to it. 0: an hour.
	Grace time.Duration
}

// Packages stores and unpacks code packages. It may be used concurrently.
type Packages struct {
	o        Options
	dir      string // folder of this boot below Options.Dir
	shared   string // folder in dir for the files of all packages
	caseless bool   // dir does not keep names apart that differ in case

	mu      sync.Mutex
	known   map[string]*known        // by hash
	flights map[string]chan struct{} // work on a name under way

	stop  context.CancelFunc
	swept sync.WaitGroup
}

// known is what is remembered of a package.
type known struct {
	unpacked int64     // bytes; -1: not looked up yet
	ready    bool      // its folder is there
	touched  time.Time // last asked for
}

// Names in Packages.dir: a package's hash, this before that of a list of
// layers, this before what is not finished, and the folder of shared files.
const (
	layersPrefix     = "layers-"
	unfinishedPrefix = "unfinished-"
	sharedDir        = "files"
)

// New returns the packages of a blob store. What a crash or an earlier boot
// left in the folder is removed in the background; Close waits for that.
func New(o Options) (*Packages, error) {
	o.Limits.Zipped = cmp.Or(o.Limits.Zipped, DefaultLimits.Zipped)
	o.Limits.Unpacked = cmp.Or(o.Limits.Unpacked, DefaultLimits.Unpacked)
	o.Limits.Entries = cmp.Or(o.Limits.Entries, DefaultLimits.Entries)
	o.Grace = cmp.Or(o.Grace, time.Hour)
	if o.Now == nil {
		o.Now = time.Now
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, failed(err, "find the folder %s", o.Dir)
	}
	p := &Packages{
		o: o, dir: filepath.Join(dir, boot()),
		known: map[string]*known{}, flights: map[string]chan struct{}{},
	}
	p.shared = filepath.Join(p.dir, sharedDir)
	if err := os.MkdirAll(p.shared, 0o755); err != nil {
		return nil, failed(err, "make the folder %s", p.shared)
	}
	if p.caseless, err = isCaseless(p.dir); err != nil {
		return nil, failed(err, "look at the folder %s", p.dir)
	}
	leftovers, err := p.leftovers(dir)
	if err != nil {
		return nil, failed(err, "look at the folder %s", dir)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.swept.Go(func() {
		for _, path := range leftovers {
			if ctx.Err() == nil {
				removeAll(path) // what stays is tried again at the next start
			}
		}
		collectFiles(ctx, p.shared)
	})
	return p, nil
}

// Close ends background work and waits for it.
func (p *Packages) Close() error {
	p.stop()
	p.swept.Wait()
	return nil
}

// boot names this boot of the machine, or else this process: what was written
// by one is known to be whole for as long.
func boot() string {
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		return "boot-" + strings.TrimSpace(string(id))
	}
	return "process-" + rand.Text()
}

func isCaseless(dir string) (bool, error) {
	probe, err := os.MkdirTemp(dir, unfinishedPrefix)
	if err != nil {
		return false, err
	}
	defer os.Remove(probe)
	_, err = os.Lstat(filepath.Join(dir, strings.ToUpper(filepath.Base(probe))))
	return err == nil, nil
}

func (p *Packages) leftovers(dir string) (paths []string, err error) {
	for _, place := range []struct {
		dir   string
		stays func(name string) bool
	}{
		{dir, func(name string) bool { return name == filepath.Base(p.dir) }},
		{p.dir, func(name string) bool { return !strings.HasPrefix(name, unfinishedPrefix) }},
	} {
		entries, err := os.ReadDir(place.dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !place.stays(e.Name()) {
				paths = append(paths, filepath.Join(place.dir, e.Name()))
			}
		}
	}
	return paths, nil
}

var hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// key is where a package is in the blob store.
func key(hash string) string { return "sha256/" + hash[:2] + "/" + hash + ".zip" }

// Add stores a zip file of at most limit bytes (0: Limits.Zipped), if it obeys
// the rules, and returns its name. A package that is there already is not
// stored again. When Add returns an error, nothing of the file is left.
func (p *Packages) Add(ctx context.Context, r io.Reader, limit int64) (pinfold.Package, error) {
	limit = cmp.Or(limit, p.o.Limits.Zipped)
	upload, err := os.CreateTemp(p.dir, unfinishedPrefix)
	if err != nil {
		return pinfold.Package{}, failed(err, "store the code package")
	}
	defer os.Remove(upload.Name())
	defer upload.Close()
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(upload, hash), reader{ctx, io.LimitReader(r, limit+1)})
	if err != nil {
		return pinfold.Package{}, failed(err, "receive the code package")
	}
	if size > limit {
		return pinfold.Package{}, pinfold.Errorf(pinfold.TooLarge, "Zipped size must be smaller than %d bytes", limit).WithReason("RequestEntityTooLargeException")
	}
	pkg := pinfold.Package{SHA256: hex.EncodeToString(hash.Sum(nil)), Size: size}
	err = p.alone(ctx, pkg.SHA256, func() error {
		if there, err := p.open(ctx, pkg); err == nil {
			return there.Close()
		} else if pinfold.CodeOf(err) != pinfold.NotFound {
			return err
		}
		a, err := inspect(upload, size, p.o.Limits, p.caseless)
		if err != nil {
			return err
		}
		// Unpacking it proves that it can be, and it will be wanted soon.
		return p.build(ctx, pkg.SHA256, func(dir string) error {
			if err := a.write(ctx, dir, p.shared); err != nil {
				return err
			}
			if _, err := upload.Seek(0, io.SeekStart); err != nil {
				return err
			}
			return p.o.Store.Put(ctx, key(pkg.SHA256), upload)
		}, a.unpacked)
	})
	if err != nil {
		return pinfold.Package{}, failed(err, "store the code package")
	}
	return pkg, nil
}

// Has reports whether a package is stored.
func (p *Packages) Has(ctx context.Context, pkg pinfold.Package) (bool, error) {
	b, err := p.Open(ctx, pkg)
	if err != nil {
		if pinfold.CodeOf(err) == pinfold.NotFound {
			return false, nil
		}
		return false, err
	}
	return true, b.Close()
}

// Open returns a package's zip file, or an error with code NotFound.
func (p *Packages) Open(ctx context.Context, pkg pinfold.Package) (b blob.Blob, err error) {
	if !hashPattern.MatchString(pkg.SHA256) {
		return nil, missing(pkg)
	}
	err = p.alone(ctx, pkg.SHA256, func() error { // not while Collect makes up its mind
		b, err = p.open(ctx, pkg)
		return err
	})
	return b, failed(err, "open the code package %s", pkg.SHA256)
}

// open is Open for whoever is alone with the package.
func (p *Packages) open(ctx context.Context, pkg pinfold.Package) (blob.Blob, error) {
	b, err := p.o.Store.Open(ctx, key(pkg.SHA256))
	if pinfold.CodeOf(err) == pinfold.NotFound {
		return nil, missing(pkg)
	}
	if err == nil {
		p.touch(pkg.SHA256)
	}
	return b, err
}

func missing(pkg pinfold.Package) error {
	return pinfold.Errorf(pinfold.NotFound, "there is no code package %q", pkg.SHA256)
}

// Unpacked returns the size in bytes of a package's files, or an error with
// code NotFound.
func (p *Packages) Unpacked(ctx context.Context, pkg pinfold.Package) (int64, error) {
	p.mu.Lock()
	k := p.known[pkg.SHA256]
	if k != nil && k.unpacked >= 0 {
		defer p.mu.Unlock()
		k.touched = p.o.Now()
		return k.unpacked, nil
	}
	p.mu.Unlock()
	b, err := p.Open(ctx, pkg)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	a, err := p.stored(pkg, b)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remember(pkg.SHA256).unpacked = a.unpacked
	return a.unpacked, nil
}

// stored inspects a package that was accepted before.
func (p *Packages) stored(pkg pinfold.Package, b blob.Blob) (*archive, error) {
	a, err := inspect(b, b.Size(), p.o.Limits, p.caseless)
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Internal, "the stored code package %s cannot be read: %w", pkg.SHA256, err)
	}
	return a, nil
}

// remember returns what is known of a package. The caller holds mu.
func (p *Packages) remember(hash string) *known {
	k := p.known[hash]
	if k == nil {
		k = &known{unpacked: -1}
		p.known[hash] = k
	}
	k.touched = p.o.Now()
	return k
}

// touch notes that a package was asked for.
func (p *Packages) touch(hash string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remember(hash)
}

// ready reports whether a package's folder is there, and notes that it was
// asked for.
func (p *Packages) ready(hash string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.known[hash]
	if k == nil || !k.ready {
		return false
	}
	k.touched = p.o.Now()
	return true
}

// alone runs fn while no other alone of the same name runs. Waiting ends with ctx.
func (p *Packages) alone(ctx context.Context, name string, fn func() error) error {
	for {
		p.mu.Lock()
		other, busy := p.flights[name]
		if !busy {
			done := make(chan struct{})
			p.flights[name] = done
			p.mu.Unlock()
			defer func() {
				p.mu.Lock()
				delete(p.flights, name)
				p.mu.Unlock()
				close(done)
			}()
			return fn()
		}
		p.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
