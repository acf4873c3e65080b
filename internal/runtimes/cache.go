package runtimes

import (
	"bytes"
	"context"
	"io"
	"sync"

	"pinfold.dev/pinfold"
)

// CodeCache keeps what language runtimes compile of functions. Foreign code makes
// it, so it must never be given to another function.
type CodeCache interface {
	// Compiled returns the folder with what is kept of a version of a function for
	// one version of a language runtime, such as "python-3.11.7", or "".
	Compiled(v *pinfold.Version, runtime string) string
	// KeepCompiled keeps what next returns: one file after the other, then io.EOF.
	// After context.Canceled nothing is kept.
	KeepCompiled(v *pinfold.Version, runtime string, next func() (name string, content []byte, err error))
}

const (
	maxCacheFiles = 4096 // of one version; their bytes are bounded by maxCache
	// leastCompiled is from how many bytes on code and layers are worth compiling
	// for others, and of Python's compiled code from how many on it is worth its
	// keep: 3 MB spare an instance 260 ms, and to be shown the folder costs it 0.1.
	leastCompiled = 16 << 10
)

// caches knows which instances have been asked for compiled code.
type caches struct {
	kept CodeCache // nil: nothing is

	mu sync.Mutex
	// asked is by version of a function and of its runtime: one instance at a time
	// is, and no more once one has had nothing worth its keep.
	asked map[string]bool
	seen  map[string]string // the version of an interpreter when it was last started, by its path
}

// maxAsked bounds what is remembered. To ask twice does no harm.
const maxAsked = 10_000

// of returns the folder with compiled code, or "".
func (c *caches) of(v *pinfold.Version, runtime string) string {
	if c.kept == nil || !worthCompiling(v) {
		return ""
	}
	return c.kept.Compiled(v, runtime)
}

func worthCompiling(v *pinfold.Version) bool {
	size := v.Code.Size
	for _, l := range v.Config.Layers {
		size += l.Code.Size
	}
	return size >= leastCompiled
}

// expect returns the version that an interpreter will probably say it has.
func (c *caches) expect(interpreter string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[interpreter]
}

func (c *caches) saw(interpreter, version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]string{}
	}
	c.seen[interpreter] = version
}

// ask returns what takes in the compiled code of an instance, or nil if it need
// not send any.
func (c *caches) ask(v *pinfold.Version, family Family, version string) *keeping {
	if c.kept == nil || !worthCompiling(v) {
		return nil
	}
	k := &keeping{caches: c, version: v, runtime: runtimeName(family, version), whole: family == Python}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked[k.key()] || c.kept.Compiled(v, k.runtime) != "" { // kept since it was looked for
		return nil
	}
	if c.asked == nil || len(c.asked) >= maxAsked {
		c.asked = map[string]bool{}
	}
	c.asked[k.key()] = true
	return k
}

func (c *caches) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.asked, key)
}

// runtimeName names a version of a language runtime.
func runtimeName(family Family, version string) string { return string(family) + "-" + version }

// keeping takes in the compiled code of one instance, on the goroutine that reads
// what it sends, and has it kept on another one.
type keeping struct {
	caches  *caches
	version *pinfold.Version
	runtime string
	whole   bool // it is one file, called code, and comes as it is

	files  chan cacheFile // has room for all; nil until there is one
	taken  int            // files
	over   bool           // no more is taken in
	writer sync.WaitGroup
}

type cacheFile struct {
	name    string // "" after the last
	content []byte
}

func (k *keeping) key() string { return k.version.Key() + " " + k.runtime }

// take takes in a CACHE frame. It reports false if that was not asked for.
func (k *keeping) take(f frame) bool {
	if k == nil || f.payload == nil {
		return false
	}
	if k.over {
		return true
	}
	file := cacheFile{"code", f.payload}
	last := k.whole || f.size == 0
	if !k.whole {
		name, content, _ := bytes.Cut(f.payload, []byte("\n"))
		file = cacheFile{string(name), content}
	}
	switch {
	case f.size == 0 || k.whole && f.size < leastCompiled:
	case file.name == "" || k.taken == maxCacheFiles:
		k.end()
		return true
	default:
		k.taken++
		if k.files == nil {
			k.files = make(chan cacheFile, maxCacheFiles+1)
			k.writer.Go(func() { k.write(k.files) })
		}
		k.files <- file
	}
	if last {
		if k.files != nil {
			k.files <- cacheFile{}
		}
		k.end()
	}
	return true
}

// end says that no more files come. If the last one did not, none is kept.
func (k *keeping) end() {
	k.over = true
	if k.files != nil {
		close(k.files)
	}
}

// write has the files kept, until there are no more.
func (k *keeping) write(files <-chan cacheFile) {
	k.caches.kept.KeepCompiled(k.version, k.runtime, func() (string, []byte, error) {
		file, ok := <-files
		switch {
		case !ok:
			return "", nil, context.Canceled
		case file.name == "":
			return "", nil, io.EOF
		}
		return file.name, file.content, nil
	})
	for range files { // what is not wanted
	}
	if k.caches.kept.Compiled(k.version, k.runtime) != "" { // nobody asks for what is there
		k.caches.forget(k.key())
	}
}

// close ends the taking in, and waits for what is being written.
func (k *keeping) close() {
	if k == nil {
		return
	}
	if !k.over {
		k.end()
		defer k.caches.forget(k.key()) // another instance may be asked
	}
	k.writer.Wait()
}
