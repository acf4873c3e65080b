package logs

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/logs/segment"
)

// functionGroup is how the name of a function's group begins, if it has not been
// given another.
const functionGroup = "/aws/lambda/"

// GroupRef names a log group.
type GroupRef struct{ Account, Region, Name string }

// FunctionGroup names the group that a function's lines are in; name is "" for
// the usual one.
func FunctionGroup(ref pinfold.FunctionRef, name string) GroupRef {
	return GroupRef{ref.Account, ref.Region, cmp.Or(name, functionGroup+ref.Name)}
}

// ARN returns the group's ARN, without the :* that some answers have behind it.
func (r GroupRef) ARN() string {
	return pinfold.ARN{Partition: "aws", Service: "logs", Region: r.Region, Account: r.Account, Resource: "log-group:" + r.Name}.String()
}

// group is a log group: what is known of it, which is kept as group.json, and its
// lines. Store.files guards it.
type group struct {
	ref     GroupRef
	journal *segment.Journal
	dir     string
	saved   bool // group.json is as it should be
	lost    int  // lines that could not be written

	facts
}

// facts is what group.json holds.
type facts struct {
	Ref       GroupRef
	Class     string `json:",omitempty"` // "": STANDARD
	Created   time.Time
	Retention int               `json:",omitempty"` // days; 0: for ever
	Tags      map[string]string `json:",omitempty"`
	Functions []string          `json:",omitempty"` // that have written
	// Streams are those that were made by hand, and when.
	Streams map[string]time.Time `json:",omitempty"`
	// Deleted are streams whose older lines are gone, though still on disk.
	Deleted map[string]tombstone `json:",omitempty"`
}

// tombstone says which lines of a stream were deleted with it: those up to a
// number that had come by then. The numbers begin anew when all lines are gone.
type tombstone struct {
	Sequence uint64
	At       time.Time
}

func (t tombstone) covers(sequence uint64, ingested time.Time) bool {
	return sequence <= t.Sequence && !ingested.After(t.At.Add(time.Millisecond)) // which is how exactly it is known
}

const factsName = "group.json"

// newGroup returns a group that is not on disk yet.
func (s *Store) newGroup(ref GroupRef) *group {
	dir := filepath.Join(s.config.Dir, folderName(ref))
	return &group{ref: ref, dir: dir, journal: segment.New(dir, s.journal), facts: facts{Ref: ref, Created: time.Now()}}
}

// group returns a group, which is made if need be. The caller holds files.
func (s *Store) group(ref GroupRef) *group {
	g := s.groups[ref]
	if g == nil {
		g = s.newGroup(ref)
		s.groups[ref] = g
	}
	return g
}

// folderName is a name that every file system takes and tells apart, whatever
// the group is called: what is not a lower-case letter, digit, dash or underscore
// is written as %XX, and what gets too long so by its hash.
func folderName(ref GroupRef) string {
	escape := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			if c := s[i]; 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02x", c)
			}
		}
		return b.String()
	}
	name := escape(ref.Name)
	if len(name) > 220 {
		name = fmt.Sprintf("%s.%x", name[:155], sha256.Sum256([]byte(ref.Name)))
	}
	return escape(ref.Account) + "." + escape(ref.Region) + "." + name
}

// parseFolder is the way back from folderName, but for long names.
func parseFolder(folder string) (GroupRef, bool) {
	parts := strings.Split(folder, ".")
	if len(parts) != 3 {
		return GroupRef{}, false
	}
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return GroupRef{}, false
		}
		parts[i] = plain
	}
	ref := GroupRef{Account: parts[0], Region: parts[1], Name: parts[2]}
	return ref, folderName(ref) == folder
}

// load finds the groups that are there.
func (s *Store) load() error {
	if err := os.MkdirAll(s.config.Dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.config.Dir)
	if err != nil {
		return err
	}
	var old []oldFolder
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		dir := filepath.Join(s.config.Dir, entry.Name())
		ref, named := parseFolder(entry.Name())
		if named && isOld(dir) {
			old = append(old, oldFolder{dir, ref})
			continue
		}
		f, err := readFacts(dir)
		switch {
		case err == nil && folderName(f.Ref) == entry.Name():
			g := s.newGroup(f.Ref)
			g.facts, g.saved = f, true
			s.groups[f.Ref] = g
		case named && os.Remove(dir) == nil: // it was empty
		case named: // somebody has tidied up; the lines say little of whose they are
			g := s.newGroup(ref)
			if name, ok := strings.CutPrefix(ref.Name, functionGroup); ok {
				g.Functions = []string{name}
			}
			s.groups[ref] = g
		default:
			s.config.Log.Warn("a folder among the logs is not one of them", "folder", dir, "error", err)
		}
	}
	for _, o := range old {
		if err := s.convert(o); err != nil {
			s.config.Log.Error("a log of an earlier version cannot be converted; it is kept until the next start", "function", o.ref.Name, "error", err)
		}
	}
	return nil
}

func readFacts(dir string) (f facts, err error) {
	data, err := os.ReadFile(filepath.Join(dir, factsName))
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	return f, err
}

// save writes group.json: the whole of it, or nothing.
func (g *group) save() error {
	g.saved = false
	data, err := json.Marshal(g.facts)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(g.dir, factsName)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	g.saved = true
	return nil
}

// write keeps so many lines of a function, in order. What is lost is said by the
// next that succeeds.
func (g *group) write(ref pinfold.FunctionRef, text []byte, lines int) error {
	if !slices.Contains(g.Functions, ref.Name) {
		g.Functions = append(g.Functions, ref.Name)
		g.saved = false
	}
	if g.lost > 0 {
		line := gap(ref, g.lost, "the disk did not take them")
		line.Time = segment.Record(text).Time() // where it belongs
		text = append(encodeGap(&line), text...)
		lines++
	}
	kept := 0
	var err error
	if !g.saved {
		err = g.save()
	}
	if err == nil {
		kept, err = g.journal.Append(text)
	}
	switch {
	case err == nil:
		g.lost = 0
		return nil
	case kept == 0 && g.lost > 0:
		g.lost += lines - 1 // the line that says so is none of them
	case kept == 0:
		g.lost = lines
	default:
		g.lost = lines - kept
	}
	return fmt.Errorf("log group %s: %w", g.ref.Name, err)
}

// cutoff returns from when on the group keeps lines; the zero time if from ever.
func (g *group) cutoff(now time.Time) time.Time {
	if g.Retention == 0 {
		return time.Time{}
	}
	return now.AddDate(0, 0, -g.Retention)
}

// place is what a group had at one moment, which can be read while it goes on.
type place struct {
	group   GroupRef
	extent  segment.Extent
	cutoff  time.Time
	deleted map[string]tombstone
}

func (g *group) place() (*place, error) {
	extent, err := g.journal.Extent()
	if err != nil {
		return nil, fmt.Errorf("log group %s: %w", g.ref.Name, err)
	}
	return &place{group: g.ref, extent: extent, cutoff: g.cutoff(time.Now()), deleted: maps.Clone(g.Deleted)}, nil
}

// places returns the places of the groups that are wanted. The caller holds files.
func (s *Store) places(wanted func(*group) bool) ([]*place, error) {
	var all []*place
	for _, g := range s.groups {
		if !wanted(g) {
			continue
		}
		p, err := g.place()
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	// Where times are equal, groups come in the order of their names.
	slices.SortFunc(all, func(a, b *place) int { return strings.Compare(a.group.Name, b.group.Name) })
	return all, nil
}

// between returns the filter for times from since and before until, where zero
// is no bound.
func (p *place) between(since, until time.Time) segment.Filter {
	if since.Before(p.cutoff) {
		since = p.cutoff
	}
	return segment.Filter{From: nano(since, math.MinInt64), To: nano(until, math.MaxInt64)}
}

// nano returns a time in nanoseconds since 1970, or another number if it is zero.
// 1970 itself is a nanosecond later, for to a filter 0 is no bound.
func nano(t time.Time, zero int64) int64 {
	switch {
	case t.IsZero():
		return zero
	case keepable(t):
		return cmp.Or(t.UnixNano(), 1)
	case t.Unix() < 0:
		return math.MinInt64
	default:
		return math.MaxInt64
	}
}

// hides reports whether a record is of a stream that was deleted since.
func (p *place) hides(e segment.Entry) bool {
	if p.deleted == nil {
		return false
	}
	t, ok := p.deleted[string(e.Record.Stream())]
	return ok && t.covers(e.Sequence, e.Record.Ingested())
}

// size returns how many bytes a group takes on disk.
func (g *group) size() int64 {
	size, err := g.journal.Size()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	return size
}
