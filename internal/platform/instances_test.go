package platform

import (
	"errors"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// TestOutdated: who looked before a deployment must not retire what it brought.
func TestOutdated(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	latest := &pinfold.Version{RevisionID: "b", LastModified: at}
	for _, test := range []struct {
		qualifier, revision string
		after               time.Duration
		err                 error
		want                bool
	}{
		{"$LATEST", "a", -time.Second, nil, true},
		{"$LATEST", "a", 0, nil, true},
		{"$LATEST", "b", 0, nil, false},
		{"$LATEST", "c", time.Second, nil, false},
		{"1", "a", -time.Second, nil, false},
		{"1", "a", 0, pinfold.Errorf(pinfold.NotFound, "deleted"), true},
		{"$LATEST", "a", -time.Second, errors.New("the store is closed"), false},
	} {
		v := &pinfold.Version{Ref: pinfold.FunctionRef{Qualifier: test.qualifier}, RevisionID: test.revision, LastModified: at.Add(test.after)}
		if got := outdated(v, latest, test.err); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}
