package sandboxtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold/internal/platform"
)

// hostile names a driver without walls to attack all the same.
const hostile = "PINFOLD_HOSTILE"

// attack is one case: what a hostile function does, and what must come of it.
type attack struct {
	name  string
	on    string // the function, whose name begins with its language
	run   string // what it does; "" where a code package is the attack
	wants string // what the attack wants, for people
	wall  string // what stops it, for people

	// do is what the suite does in place of one call; an outcome for each try
	// comes of it.
	do func(ctx context.Context, h *house) map[string]string
	// more is what the function is told beside what all are.
	more func(ctx context.Context, h *house) (order, error)
	// stops are the outcomes that a try may have, separated by spaces. There must
	// be one try at least.
	stops string
	most  int // for outcomes "EAGAIN after 1019": the most that may come before
	// ends is what the log says of an invocation that must not end well: a text
	// of its REPORT. Where stops is set as well, either will do.
	ends string
	// after checks what the function cannot know.
	after func(ctx context.Context, h *house, answer map[string]string) error
	// bare says why the attack may be stopped without walls, too.
	bare string
}

// areas are the tables of attacks, in the order of the documentation.
var areas = []struct {
	name    string
	attacks []attack
}{{"Reading", reading}, {"Reaching", reaching}, {"Escaping", escaping}, {"Exhausting", exhausting}}

// TestWalls runs every attack against every driver that claims walls.
func TestWalls(t *testing.T) {
	for _, driver := range platform.Sandboxes {
		if driver == "auto" { // one of the others
			continue
		}
		t.Run(driver, func(t *testing.T) {
			before := look(t)
			var h *house
			t.Run("house", func(t *testing.T) { // which ends before the test does
				h = start(t, driver, lay(t))
				measure(t, h)
				for _, area := range areas {
					for _, a := range area.attacks {
						t.Run(area.name+"/"+a.name, func(t *testing.T) {
							if strings.HasPrefix(a.wall, byGroup) && !h.limits {
								t.Skip("there are no limits on this machine: see pinfold doctor")
							}
							h.suffer(t, a)
						})
					}
				}
			})
			if h != nil {
				defer h.host.close()
				h.host.gone(t, h.facts.Data, before)
			}
		})
	}
}

// measure finds out how long answers usually take.
func measure(t *testing.T, h *house) {
	t.Helper()
	over := make(chan struct{})
	time.AfterFunc(500*time.Millisecond, func() { close(over) })
	var err error
	if h.usual, err = h.during(t.Context(), over); err != nil {
		t.Fatal(err)
	}
	t.Logf("usually the platform answers in %v, the neighbour in %v", h.usual.platform, h.usual.neighbour)
}

// suffer runs an attack. One that only made others slow gets a second chance,
// since the machine may have.
func (h *house) suffer(t *testing.T, a attack) {
	t.Helper()
	slow, err := h.try(t, a)
	if err == nil && slow != nil {
		t.Logf("once more: %v", slow)
		slow, err = h.try(t, a)
	}
	err = errors.Join(err, slow)
	switch {
	case os.Getenv(hostile) == h.facts.Sandbox:
		if err == nil && a.bare == "" {
			t.Error("it is stopped without walls, too: the case proves nothing")
		}
		t.Logf("without walls: %v", err)
	case err != nil:
		t.Errorf("%s\n%v", a.wants, err)
	}
}

func (h *house) try(t *testing.T, a attack) (slow, err error) {
	ctx := t.Context()
	var more order
	if a.more != nil {
		if more, err = a.more(ctx, h); err != nil {
			return nil, err
		}
	}
	type outcome struct {
		status int
		body   []byte
		err    error
	}
	var o outcome
	over, began := make(chan struct{}), time.Now()
	go func() {
		defer close(over)
		if a.do == nil {
			o.status, o.body, o.err = h.call(ctx, a.on, h.order(a.run, more))
			return
		}
		o.status = http.StatusOK
		o.body, o.err = json.Marshal(a.do(ctx, h))
	}()
	p, err := h.during(ctx, over)
	h.host.note()
	<-over
	if err == nil {
		err = o.err
	}
	if err == nil {
		err = h.judge(ctx, a, began, o.status, o.body)
	}
	if err == nil && p.memory > h.usual.memory+plenty {
		err = fmt.Errorf("the platform takes %d MB of memory", p.memory>>20)
	}
	return p.slower(h.usual), errors.Join(err, h.bait.unharmed(), h.breathes(ctx, a.on))
}

// judge says whether an attack was stopped as it should be.
func (h *house) judge(ctx context.Context, a attack, began time.Time, status int, body []byte) error {
	if status != http.StatusOK {
		if a.ends == "" {
			return fmt.Errorf("the function failed: %d %.500s", status, body)
		}
		return h.reported(ctx, a.on, a.ends, began, 10*time.Second)
	}
	if a.ends != "" && a.stops == "" {
		return fmt.Errorf("the function lived: %.500s", body)
	}
	answer := map[string]string{}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("the function answers %.500s", body)
	}
	if len(answer) == 0 {
		return errors.New("the function tried nothing")
	}
	var errs []error
	for what, came := range answer {
		if !a.stopped(came) {
			errs = append(errs, fmt.Errorf("%s: %q, and should be stopped by %s", what, came, a.stops))
		}
	}
	slices.SortFunc(errs, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	if more := len(errs) - 12; more > 0 {
		errs = append(errs[:12], fmt.Errorf("and %d more", more))
	}
	if a.after != nil {
		errs = append(errs, a.after(ctx, h, answer))
	}
	return errors.Join(errs...)
}

var counted = regexp.MustCompile(`^(.+) after (\d+)$`)

// stopped says whether an outcome is one that the attack may have.
func (a *attack) stopped(came string) bool {
	if m := counted.FindStringSubmatch(came); m != nil && a.most > 0 {
		n, err := strconv.Atoi(m[2])
		if err != nil || n > a.most {
			return false
		}
		came = m[1]
	}
	return slices.Contains(strings.Fields(a.stops), came)
}
