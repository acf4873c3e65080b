package platform_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// Under `pinfold dev` anybody's request is the owner's. A web page's is not.
func TestDevRefusesWebPages(t *testing.T) {
	dev := platformtest.Start(t, func(c *platform.Config) { c.Dev = true })
	dev.Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": "service: s\nprovider: {name: aws, runtime: nodejs20.x}\nfunctions: {f: {handler: i.h}}\n",
		"i.js":           "exports.h = async () => 'ran'\n",
	}))
	ask := func(t *testing.T, base, host string, headers ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, base+"/2015-03-31/functions/s-dev-f/invocations", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for _, tc := range []struct {
		name, host string
		headers    []string
		status     int
	}{
		{"a program", "", nil, 200},
		{"a program in a container", "host.docker.internal:4566", nil, 200},
		{"a program in a composition", "pinfold:4566", nil, 200},
		{"a name below localhost", "lambda.localhost:4566", nil, 200},
		{"IPv6", "[::1]:4566", nil, 200},
		{"what is redirected from AWS", "lambda.us-east-1.amazonaws.com", nil, 200},
		{"somebody who types the address", "", []string{"Sec-Fetch-Site: none"}, 200},
		{"a page elsewhere", "", []string{"Origin: https://evil.example"}, 403},
		{"a page that hides where it is", "", []string{"Origin: null"}, 403},
		{"a page's image", "", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"a page of another port", "", []string{"Sec-Fetch-Site: same-site"}, 403},
		{"a page whose name leads here", "evil.example:4566", nil, 403},
		{"a page whose name leads here and looks like ours", "127.0.0.1.evil.example:4566", nil, 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body := ask(t, dev.Endpoints.API, tc.host, tc.headers...)
			if status != tc.status || (body == `"ran"`) != (tc.status == 200) {
				t.Errorf("%d %s, want %d", status, body, tc.status)
			}
		})
	}
}
