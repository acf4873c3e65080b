package apps_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/platformtest"
)

// browser calls applications as a browser would that follows no redirects,
// keeps no cookies and leaves bodies as they come. Names below "localhost" lead
// to this machine, whatever its resolver says.
var browser = &http.Client{
	Timeout: time.Minute,
	Transport: &http.Transport{
		DisableCompression: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// call is one request.
type call struct {
	method string // GET if it is empty
	url    string
	header http.Header
	body   string
}

// answer is what came back.
type answer struct {
	t      testing.TB
	call   call
	status int
	header http.Header
	body   []byte
}

func (c call) do(t testing.TB) *answer {
	t.Helper()
	if c.method == "" {
		c.method = "GET"
	}
	req, err := http.NewRequestWithContext(t.Context(), c.method, c.url, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if c.header != nil {
		req.Header = c.header.Clone()
	}
	resp, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", c.method, c.url, err)
	}
	return &answer{t: t, call: c, status: resp.StatusCode, header: resp.Header, body: body}
}

func get(t testing.TB, url string) *answer {
	t.Helper()
	return call{url: url}.do(t)
}

func post(t testing.TB, url, contentType, body string) *answer {
	t.Helper()
	return call{method: "POST", url: url, header: http.Header{"Content-Type": {contentType}}, body: body}.do(t)
}

func (a *answer) errorf(format string, args ...any) {
	a.t.Helper()
	shown := a.body[:min(len(a.body), 400)]
	a.t.Errorf("%s %s: "+format+"\n%d %v\n%.400q", append(append([]any{a.call.method, a.call.url}, args...), a.status, a.header, shown)...)
}

func (a *answer) is(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.errorf("status %d, want %d", a.status, status)
	}
	return a
}

// has checks that a header has exactly these values.
func (a *answer) has(name string, values ...string) *answer {
	a.t.Helper()
	if got := a.header.Values(name); !reflect.DeepEqual(got, values) && (len(got) > 0 || len(values) > 0) {
		a.errorf("header %s is %q, want %q", name, got, values)
	}
	return a
}

// says checks that the body is exactly this text.
func (a *answer) says(text string) *answer {
	a.t.Helper()
	if string(a.body) != text {
		a.errorf("it does not say %.200q", text)
	}
	return a
}

// json checks that the body is JSON equal to a value written in JSON.
func (a *answer) json(want string) *answer {
	a.t.Helper()
	var got, wanted any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		a.t.Fatalf("%s: %v", want, err)
	}
	if err := json.Unmarshal(a.body, &got); err != nil || !reflect.DeepEqual(got, wanted) {
		a.errorf("it is not the JSON %s", want)
	}
	return a
}

// urlOf returns the URL of a route, without what follows a "{".
func urlOf(t testing.TB, d *app.Deployed, method, path string) string {
	t.Helper()
	for _, r := range d.Routes {
		if r.Method == method && r.Path == path {
			before, _, _ := strings.Cut(r.URL, "{")
			return before
		}
	}
	t.Fatalf("there is no route %s %s in %+v", method, path, d.Routes)
	return ""
}

func hostOf(t testing.TB, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// needsPackages skips a test whose application's packages are not installed.
func needsPackages(t testing.TB, dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Skipf("test/apps/%s has no node_modules: run test/setup.sh", dir)
	}
}

// invoke invokes a function through Lambda's Invoke and returns what it, or
// its failure, is.
func invoke(t testing.TB, p *platformtest.Platform, function, payload string) string {
	t.Helper()
	result, err := p.Client.Invoke(t.Context(), function, []byte(payload), false)
	if err != nil {
		t.Fatal(err)
	}
	return string(result.Payload)
}
