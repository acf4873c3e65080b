package accounts

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/platformtest"
)

// long reports whether tests are to be as long as the issue has them.
func long() bool { return os.Getenv("PINFOLD_TORTURE") != "" }

// records waits until there are n records of what is asked for, and returns them;
// more are a fault, and so are fewer when its time is over.
func records(t *testing.T, p *platformtest.Platform, q pinfold.RecordQuery, n int) []pinfold.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		var all []pinfold.Record
		for r, err := range p.Client.Records(ctx, q) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		switch {
		case len(all) == n && ctx.Err() == nil:
			return all
		case len(all) > n, ctx.Err() != nil:
			t.Fatalf("%d records of %+v, want %d", len(all), q, n)
		}
	}
}

// urlOf returns the address of a function of its own, as any program can use it.
func urlOf(t *testing.T, p *platformtest.Platform, d *app.Deployed, function string) string {
	t.Helper()
	for _, f := range d.Functions {
		if f.Name == function && f.URL != "" {
			id, _, _ := strings.Cut(strings.TrimPrefix(f.URL, "http://"), ".")
			return p.Endpoints.FunctionURLByPath(id)
		}
	}
	t.Fatalf("%s has no URL in %+v", function, d.Functions)
	return ""
}

// send sends a request and returns the answer.
func send(t *testing.T, req *http.Request) (status int, body string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
