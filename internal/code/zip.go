package code

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"pinfold.dev/pinfold"
)

// Limits bound what a zip file may hold.
type Limits struct {
	Zipped   int64 // bytes of a zip file; Add can be given another limit
	Unpacked int64 // all files together must be smaller than this, in bytes
	Entries  int   // files and folders together, those that are only implied included
}

// DefaultLimits are AWS's 50 MB and 250 MB (source: "Lambda quotas"), and more
// entries than a package of that size can sensibly have.
var DefaultLimits = Limits{Zipped: 50 << 20, Unpacked: 250 << 20, Entries: 200_000}

const (
	// bombRatio is how many times larger than its zip file a package may be
	// when it is larger than bombFloor. Real code stays below 20; deflate's
	// limit is 1032.
	bombRatio = 200
	bombFloor = 32 << 20

	maxLink    = 4096 // bytes of a symbolic link's target
	maxName    = 2048 // bytes of an entry's path
	maxElement = 255  // bytes of one element of it
)

// archive is a zip file that obeys the rules.
type archive struct {
	entries  []entry // in the order of the file
	unpacked int64   // bytes of all files
}

// entry is one file, folder or link of an archive.
type entry struct {
	name string // clean, relative, slash-separated
	kind kind
	mode fs.FileMode // permissions to give it
	link string      // target of a link: relative, and inside the package
	file *zip.File
	time int64 // when it was modified, Unix seconds, not before 0
}

type kind int

const (
	aFile kind = iota
	aFolder
	aLink
)

// broken is AWS's answer to a zip file that it cannot use, with the reason
// added. AWS's text is recorded in localstack/localstack's snapshot tests.
func broken(reason string, args ...any) error {
	return pinfold.Errorf(pinfold.Invalid, "Could not unzip uploaded file. Please check your file, then try to upload again. "+reason, args...).WithReason("InvalidParameterValueException")
}

// inspect holds a zip file against the rules. It writes nothing.
func inspect(r io.ReaderAt, size int64, limits Limits, caseless bool) (*archive, error) {
	if size == 0 {
		return nil, empty()
	}
	if crowded(r, size, limits.Entries) { // before archive/zip makes an object of each
		return nil, tooMany(limits)
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, notZip(r, err)
	}
	if len(z.File) == 0 {
		return nil, empty()
	}
	if len(z.File) > limits.Entries {
		return nil, tooMany(limits)
	}
	a := &archive{}
	at := map[string]int{} // name -> index in entries
	for _, f := range z.File {
		e, err := inspectEntry(f)
		if err != nil {
			return nil, err
		}
		if e.name == "." {
			continue
		}
		if e.kind == aFile {
			if f.UncompressedSize64 >= uint64(limits.Unpacked) {
				return nil, tooLarge(limits)
			}
			a.unpacked += int64(f.UncompressedSize64)
		}
		if a.unpacked >= limits.Unpacked {
			return nil, tooLarge(limits)
		}
		// The same file twice is what appending to a zip file makes; the last
		// one counts, as with unzip -o. Its size counts each time.
		if i, twice := at[e.name]; twice && a.entries[i].kind == e.kind {
			a.entries[i] = e
			continue
		} else if twice {
			return nil, broken("The entry %q is there twice, once as a file and once as a folder.", e.name)
		}
		at[e.name] = len(a.entries)
		a.entries = append(a.entries, e)
	}
	if a.unpacked > bombFloor && a.unpacked/size > bombRatio {
		return nil, broken("It would unpack to %d times its size, which is what a zip bomb does.", a.unpacked/size)
	}
	if err := checkTree(a, at, limits, caseless); err != nil {
		return nil, err
	}
	return a, checkOverlap(z.File, size)
}

func empty() error {
	return pinfold.Errorf(pinfold.Invalid, "Uploaded file must be a non-empty zip").WithReason("InvalidParameterValueException")
}

func tooLarge(l Limits) error {
	return pinfold.Errorf(pinfold.TooLarge, "Unzipped size must be smaller than %d bytes", l.Unpacked).WithReason("InvalidParameterValueException")
}

func tooMany(l Limits) error {
	return broken("It has more than %d files and folders.", l.Entries)
}

// notZip says what a file is that is not a zip file.
func notZip(r io.ReaderAt, err error) error {
	if !isZipError(err) {
		return err
	}
	start := make([]byte, 4)
	n, _ := r.ReadAt(start, 0)
	switch start = start[:n]; {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return broken("It is a gzip file, not a zip file.")
	case bytes.HasPrefix(start, []byte("PK")):
		return broken("It begins like a zip file but is cut off or damaged: %w.", err)
	}
	return broken("It is not a zip file.")
}

func inspectEntry(f *zip.File) (entry, error) {
	e := entry{file: f, time: max(0, f.Modified.Unix())}
	var err error
	if e.name, err = cleanName(f.Name); err != nil {
		return e, err
	}
	switch mode := f.Mode(); mode.Type() {
	case 0:
		e.mode = 0o444
		if mode&0o111 != 0 {
			e.mode = 0o555
		}
	case fs.ModeDir:
		e.kind = aFolder
		return e, nil
	case fs.ModeSymlink:
		e.kind = aLink
	default:
		return e, broken("The entry %q is neither a file, a folder nor a symbolic link.", f.Name)
	}
	if f.Flags&0x1 != 0 {
		return e, broken("The entry %q is encrypted.", f.Name)
	}
	if f.Method != zip.Store && f.Method != zip.Deflate {
		return e, broken("The entry %q is compressed by method %d; only storing (0) and deflate (8) are supported.", f.Name, f.Method)
	}
	if e.kind == aLink {
		e.link, err = readLink(f, e.name)
	}
	return e, err
}

var drive = regexp.MustCompile(`^[A-Za-z]:`)

// cleanName returns an entry's name as a relative path, "." for the package
// itself.
func cleanName(name string) (string, error) {
	switch {
	case name == "":
		return "", broken("It has an entry without a name.")
	case strings.Contains(name, `\`):
		return "", broken("The entry %q has a backslash in its name: make the zip file with forward slashes.", name)
	case strings.HasPrefix(name, "/"), drive.MatchString(name):
		return "", broken("The entry %q is an absolute path.", name)
	case strings.ContainsRune(name, 0), !utf8.ValidString(name):
		return "", broken("The entry %q has a name that is not text.", name)
	case len(name) > maxName:
		return "", broken("The entry %.40q... has a name of %d bytes; %d are possible.", name, len(name), maxName)
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == ".." {
			return "", broken("The entry %q leaves the package.", name)
		}
		if len(element) > maxElement {
			return "", broken("The entry %.40q... has a name of %d bytes in its path; %d are possible.", name, len(element), maxElement)
		}
	}
	return path.Clean(name), nil
}

// readLink returns the target of a symbolic link, clean: it goes up only at
// its beginning, and not out of the package. A path that first goes up through
// folders and then only down cannot leave the package, whatever links it meets
// on its way down (each of them is held to the same rule), so links stay
// inside also where layers are merged.
func readLink(f *zip.File, name string) (string, error) {
	if f.UncompressedSize64 == 0 || f.UncompressedSize64 > maxLink {
		return "", broken("The symbolic link %q has a target of %d bytes.", name, f.UncompressedSize64)
	}
	content, err := f.Open()
	if err != nil {
		return "", damaged(name, err)
	}
	defer content.Close()
	text, err := io.ReadAll(io.LimitReader(content, maxLink+1))
	if err != nil {
		return "", damaged(name, err)
	}
	target := string(text)
	if path.IsAbs(target) || drive.MatchString(target) || strings.ContainsAny(target, "\\\x00") {
		return "", broken("The symbolic link %q leads to %q, outside of the package.", name, target)
	}
	inside := path.Join(path.Dir(name), target)
	if inside == ".." || strings.HasPrefix(inside, "../") {
		return "", broken("The symbolic link %q leads to %q, outside of the package.", name, target)
	}
	return path.Clean(target), nil
}

// damaged is the error for an entry that cannot be read, unless the disk is to blame.
func damaged(name string, err error) error {
	if !isZipError(err) {
		return err
	}
	return broken("The entry %q is damaged: %w.", name, err)
}

// checkTree makes sure that the entries fit together as one tree, and adds the
// folders that are only implied to its count.
func checkTree(a *archive, at map[string]int, limits Limits, caseless bool) error {
	folders := map[string]bool{".": true}
	folded := map[string]string{}
	fold := func(name string) error {
		if !caseless {
			return nil
		}
		lower := strings.ToLower(name)
		if other, ok := folded[lower]; ok && other != name {
			return broken("The entries %q and %q differ only in case, which this machine's disk does not keep apart.", other, name)
		}
		folded[lower] = name
		return nil
	}
	for _, e := range a.entries {
		if err := fold(e.name); err != nil {
			return err
		}
		for dir := path.Dir(e.name); !folders[dir]; dir = path.Dir(dir) {
			if i, ok := at[dir]; ok && a.entries[i].kind != aFolder {
				return broken("The entry %q is a file or a link, but %q lies below it.", dir, e.name)
			}
			if folders[dir] = true; len(folders)+len(a.entries) > limits.Entries {
				return tooMany(limits)
			}
			if err := fold(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkOverlap refuses files whose entries share bytes: that is how small zip
// files are made to unpack to enormous ones. See David Fifield, "A better zip
// bomb" (WOOT 2019).
func checkOverlap(files []*zip.File, size int64) error {
	type span struct{ from, to int64 }
	spans := make([]span, 0, len(files))
	for _, f := range files {
		from, err := f.DataOffset()
		if err != nil {
			return damaged(f.Name, err)
		}
		if f.CompressedSize64 > uint64(size) || from+int64(f.CompressedSize64) > size {
			return damaged(f.Name, io.ErrUnexpectedEOF)
		}
		if f.CompressedSize64 > 0 {
			spans = append(spans, span{from, from + int64(f.CompressedSize64)})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return broken("Some of its entries overlap, which is what a zip bomb does.")
		}
	}
	return nil
}

// isZipError reports whether an error is about the zip file and not about the
// disk that it is read from or unpacked to, or a caller who gave up.
func isZipError(err error) bool {
	var path *fs.PathError
	var coded *pinfold.Error
	return !errors.As(err, &path) && !errors.As(err, &coded) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}
