package logs

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/logs/segment"
)

// Group is a log group. AWS: LogGroup.
type Group struct {
	GroupRef
	Class         string // STANDARD or INFREQUENT_ACCESS: kept and shown
	Created       time.Time
	RetentionDays int // 0: for ever
	Tags          map[string]string
	StoredBytes   int64 // on disk
}

// Stream is a log stream. First and Last are zero where nothing is in it. AWS:
// LogStream.
type Stream struct {
	Name                   string
	Created                time.Time
	First, Last, Ingestion time.Time
}

// Limits on names, tags and pages. Source: CloudWatch Logs API reference,
// CreateLogGroup, CreateLogStream, TagResource, DescribeLogGroups.
const (
	maxName = 512
	maxTags = 50
	maxPage = 50
	// maxStreams is how many streams that were made by hand a group remembers. AWS
	// has no bound.
	maxStreams = 10_000
	// maxGroups is how many groups there may be for another to be made by hand: each
	// is a folder, and any function may make some. AWS has a million.
	maxGroups = 50_000
)

var (
	groupPattern  = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]+$`)
	streamPattern = regexp.MustCompile(`^[^:*]+$`)
)

// retentions are the days that a retention may have. Source: PutRetentionPolicy
// in the CloudWatch Logs API reference.
var retentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func invalid(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Invalid, format, args...).WithReason("InvalidParameterException")
}

func missing(format string, args ...any) error {
	return pinfold.Errorf(pinfold.NotFound, format, args...).WithReason("ResourceNotFoundException")
}

func failed(err error) error {
	if err == nil {
		return nil
	}
	return pinfold.Errorf(pinfold.Unavailable, "keeping logs: %w", err).WithReason("ServiceUnavailableException")
}

// known returns a group that is there. The caller holds files.
func (s *Store) known(ref GroupRef) (*group, error) {
	if g := s.groups[ref]; g != nil {
		return g, nil
	}
	return nil, missing("The specified log group does not exist.")
}

// change changes what is known of a group, and puts it on disk.
func (s *Store) change(ref GroupRef, fn func(*group) error) error {
	s.files.Lock()
	defer s.files.Unlock()
	g, err := s.known(ref)
	if err != nil {
		return err
	}
	if err := fn(g); err != nil {
		return err
	}
	return failed(g.save())
}

// CreateGroup makes a group. The groups of functions make themselves.
// class is "" for the usual one, STANDARD.
func (s *Store) CreateGroup(ref GroupRef, class string, tags map[string]string) error {
	if len(ref.Name) > maxName || !groupPattern.MatchString(ref.Name) || strings.HasPrefix(ref.Name, "aws/") {
		return invalid("%q cannot be a log group's name: it must have 1 to %d letters, digits and any of . - _ / #, and not begin with aws/", ref.Name, maxName)
	}
	if err := checkTags(tags, len(tags)); err != nil {
		return err
	}
	s.files.Lock()
	defer s.files.Unlock()
	if s.groups[ref] != nil {
		return pinfold.Errorf(pinfold.Conflict, "The specified log group already exists").WithReason("ResourceAlreadyExistsException")
	}
	if len(s.groups) >= maxGroups {
		return pinfold.Errorf(pinfold.Throttled, "There are %d log groups, and may be no more: delete some.", len(s.groups)).WithReason("LimitExceededException")
	}
	g := s.newGroup(ref)
	g.Class, g.Tags = class, maps.Clone(tags)
	if err := g.save(); err != nil {
		return failed(err)
	}
	s.groups[ref] = g
	return nil
}

// DeleteGroup deletes a group and all that is in it. A function that writes
// another line makes its group anew.
func (s *Store) DeleteGroup(ref GroupRef) error {
	if err := s.flush(context.Background()); err != nil { // what waits goes with it
		return err
	}
	s.files.Lock()
	defer s.files.Unlock()
	g, err := s.known(ref)
	if err != nil {
		return err
	}
	delete(s.groups, ref)
	return failed(g.journal.Delete())
}

// GroupQuery says which groups are wanted.
type GroupQuery struct {
	Account, Region string
	Prefix          string // of the name
	Contains        string // a part of the name
	Class           string // "" for any
	After           string // the name after which to go on: what Groups returned last
	Limit           int    // at most 50, which is the default
}

// Groups returns groups in the order of their names, and After for the next page
// if there is more.
func (s *Store) Groups(q GroupQuery) (page []Group, after string, err error) {
	s.files.Lock()
	defer s.files.Unlock()
	var names []string
	for ref, g := range s.groups {
		if ref.Account == q.Account && ref.Region == q.Region && strings.HasPrefix(ref.Name, q.Prefix) &&
			strings.Contains(ref.Name, q.Contains) && (q.Class == "" || q.Class == g.class()) && ref.Name > q.After {
			names = append(names, ref.Name)
		}
	}
	slices.Sort(names)
	limit, err := pageSize(q.Limit, maxPage)
	if err != nil {
		return nil, "", err
	}
	for i, name := range names {
		if i == limit {
			return page, names[i-1], nil
		}
		page = append(page, s.groups[GroupRef{q.Account, q.Region, name}].public())
	}
	return page, "", nil
}

// Group returns one group.
func (s *Store) Group(ref GroupRef) (Group, error) {
	s.files.Lock()
	defer s.files.Unlock()
	g, err := s.known(ref)
	if err != nil {
		return Group{}, err
	}
	return g.public(), nil
}

// class returns a group's class.
func (g *group) class() string { return cmp.Or(g.Class, "STANDARD") }

func (g *group) public() Group {
	return Group{GroupRef: g.ref, Class: g.class(), Created: g.Created, RetentionDays: g.Retention, Tags: maps.Clone(g.Tags), StoredBytes: g.size()}
}

func pageSize(limit, most int) (int, error) {
	if limit < 0 || limit > most {
		return 0, invalid("a limit of %d is not between 1 and %d", limit, most)
	}
	return cmp.Or(limit, most), nil
}

// CheckRetention returns an error if a group cannot keep its events for so many
// days; 0 is for ever.
func CheckRetention(days int) error {
	if days != 0 && !slices.Contains(retentions, days) {
		return invalid("a retention of %d days cannot be had: it must be one of %v", days, retentions)
	}
	return nil
}

// Retain does what SetRetention does, and makes the group if it is not there.
func (s *Store) Retain(ref GroupRef, days int) error {
	if err := CheckRetention(days); err != nil {
		return err
	}
	s.files.Lock()
	defer s.files.Unlock()
	g := s.group(ref)
	g.Retention = days
	return failed(g.save())
}

// SetRetention says for how many days a group keeps its events; 0 is for ever.
func (s *Store) SetRetention(ref GroupRef, days int) error {
	if err := CheckRetention(days); err != nil {
		return err
	}
	return s.change(ref, func(g *group) error {
		g.Retention = days
		return nil
	})
}

// Tag adds tags to a group, or changes them.
func (s *Store) Tag(ref GroupRef, tags map[string]string) error {
	return s.change(ref, func(g *group) error {
		all := maps.Clone(g.Tags)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, tags)
		if err := checkTags(tags, len(all)); err != nil {
			return err
		}
		g.Tags = all
		return nil
	})
}

// Untag takes tags from a group; those that it has not are no error.
func (s *Store) Untag(ref GroupRef, keys []string) error {
	return s.change(ref, func(g *group) error {
		for _, key := range keys {
			delete(g.Tags, key)
		}
		return nil
	})
}

func checkTags(tags map[string]string, total int) error {
	if total > maxTags {
		return pinfold.Errorf(pinfold.Invalid, "a log group may have %d tags", maxTags).WithReason("TooManyTagsException")
	}
	for key, value := range tags {
		if key == "" || len([]rune(key)) > 128 || len([]rune(value)) > 256 || strings.HasPrefix(strings.ToLower(key), "aws:") {
			return invalid("tag %q: a key has 1 to 128 characters and does not begin with aws:, a value has up to 256", key)
		}
	}
	return nil
}

// CreateStream makes an empty stream.
func (s *Store) CreateStream(ref GroupRef, name string) error {
	if !streamPattern.MatchString(name) || len(name) > maxName {
		return invalid("%q cannot be a log stream's name: it must have 1 to %d characters, and neither : nor *", name, maxName)
	}
	streams, _, err := s.streams(ref)
	if err != nil {
		return err
	}
	if _, ok := streams[name]; ok {
		return pinfold.Errorf(pinfold.Conflict, "The specified log stream already exists").WithReason("ResourceAlreadyExistsException")
	}
	return s.change(ref, func(g *group) error {
		if g.Streams == nil {
			g.Streams = map[string]time.Time{}
		}
		if len(g.Streams) >= maxStreams {
			g.forgetStream()
		}
		g.Streams[name] = time.Now()
		return nil
	})
}

// forgetStream forgets the stream that was made first. Events in it say that it is
// there; if there are none, who wants to put one has to make it again.
func (g *group) forgetStream() {
	first, when := "", time.Time{}
	for name, created := range g.Streams {
		if first == "" || created.Before(when) {
			first, when = name, created
		}
	}
	delete(g.Streams, first)
}

// DeleteStream deletes a stream. Its events are not seen any more, and leave the
// disk with the others of their age.
func (s *Store) DeleteStream(ref GroupRef, name string) error {
	began := time.Now()
	streams, stats, err := s.streams(ref)
	if err != nil {
		return err
	}
	if _, ok := streams[name]; !ok {
		return missing("The specified log stream does not exist.")
	}
	return s.change(ref, func(g *group) error {
		delete(g.Streams, name)
		maps.DeleteFunc(g.Deleted, func(name string, t tombstone) bool { // of which nothing is left
			return stats[name] == nil && t.At.Before(began)
		})
		if stat := stats[name]; stat != nil {
			if g.Deleted == nil {
				g.Deleted = map[string]tombstone{}
			}
			g.Deleted[name] = tombstone{stat.Sequence, time.Now()}
		}
		return nil
	})
}

// streams returns the streams of a group, and what is on disk of each that has
// something there, of some that were deleted among them.
func (s *Store) streams(ref GroupRef) (map[string]Stream, map[string]*segment.StreamStat, error) {
	if err := s.flush(context.Background()); err != nil {
		return nil, nil, err
	}
	s.files.Lock()
	g, err := s.known(ref)
	if err != nil {
		s.files.Unlock()
		return nil, nil, err
	}
	all := map[string]Stream{}
	for name, created := range g.Streams {
		all[name] = Stream{Name: name, Created: created}
	}
	p, err := g.place()
	s.files.Unlock()
	if err != nil {
		return nil, nil, unreadable(err)
	}
	stats := map[string]*segment.StreamStat{}
	if err := p.extent.Streams(stats); err != nil {
		s.config.Log.Warn("a part of a log group cannot be read", "group", ref.Name, "error", err)
		for name, t := range p.deleted { // there may be something in that part
			if stats[name] == nil {
				stats[name] = &segment.StreamStat{Stream: name, Sequence: t.Sequence, Ingested: t.At.UnixNano()}
			}
		}
	}
	for name, stat := range stats {
		if t, ok := p.deleted[name]; ok && t.covers(stat.Sequence, time.Unix(0, stat.Ingested)) || stat.Last < nano(p.cutoff, stat.Last) {
			continue
		}
		stream := Stream{Name: name, Created: all[name].Created, First: time.Unix(0, stat.First).UTC(), Last: time.Unix(0, stat.Last).UTC(), Ingestion: time.Unix(0, stat.Ingested).UTC()}
		if stream.Created.IsZero() {
			stream.Created = stream.First
		}
		all[name] = stream
	}
	return all, stats, nil
}

// StreamQuery says which streams of a group are wanted, and in which order.
type StreamQuery struct {
	Group      GroupRef
	Prefix     string // of the name
	ByTime     bool   // in the order of their last events rather than of their names
	Descending bool
	After      string // the name after which to go on: what Streams returned last
	Limit      int    // at most 50, which is the default
}

// Streams returns streams, and After for the next page if there is more.
func (s *Store) Streams(q StreamQuery) (page []Stream, after string, err error) {
	if q.ByTime && q.Prefix != "" {
		return nil, "", invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	limit, err := pageSize(q.Limit, maxPage)
	if err != nil {
		return nil, "", err
	}
	streams, _, err := s.streams(q.Group)
	if err != nil {
		return nil, "", err
	}
	all := slices.SortedFunc(maps.Values(streams), func(a, b Stream) int {
		order := strings.Compare(a.Name, b.Name)
		if q.ByTime {
			order = cmp.Or(a.Last.Compare(b.Last), order)
		}
		if q.Descending {
			order = -order
		}
		return order
	})
	begin := 0
	if q.After != "" {
		begin = slices.IndexFunc(all, func(st Stream) bool { return st.Name == q.After }) + 1
		if begin == 0 {
			return nil, "", invalid("The specified nextToken is invalid.")
		}
	}
	for _, stream := range all[begin:] {
		if !strings.HasPrefix(stream.Name, q.Prefix) {
			continue
		}
		if len(page) == limit {
			return page, page[limit-1].Name, nil
		}
		page = append(page, stream)
	}
	return page, "", nil
}
