package apps_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"pinfold.dev/pinfold/app/serverless"
	"pinfold.dev/pinfold/platformtest"
)

// door is one way to an application: each makes events of another form.
type door struct {
	name, base string
	rest       bool
}

// doors deploys an application in two stages, for the two payloads of HTTP APIs.
func doors(t *testing.T, p *platformtest.Platform, manifest string) []door {
	deploy(t, p, manifest, serverless.Options{}) // URLs are lasting once there are two
	one := deploy(t, p, manifest, serverless.Options{Stage: "one", Params: map[string]string{"payload": "1.0"}})
	d := deploy(t, p, manifest, serverless.Options{})
	return []door{
		{name: "HTTP API", base: strings.TrimSuffix(d.at(t, "ANY $default"), "/")},
		{name: "HTTP API, payload 1.0", base: strings.TrimSuffix(one.at(t, "ANY $default"), "/")},
		{name: "REST API", base: strings.TrimSuffix(d.at(t, "ANY /"), "/"), rest: true},
		{name: "function URL", base: strings.TrimSuffix(d.Functions[0].URL, "/")},
	}
}

// TestWebFrameworks holds one web application, written in several frameworks,
// to the same answers at every door.
func TestWebFrameworks(t *testing.T) {
	p := platformtest.Start(t)
	for _, tt := range []struct{ name, dir, manifest string }{
		{"Express behind serverless-http", "express", "express"},
		{"Express behind serverless-express", "express", "express/codegenie.yml"},
		{"Hono", "hono", "hono"},
		{"Fastify", "fastify", "fastify"},
		{"Koa behind serverless-http", "koa", "koa"},
		{"Python behind WSGI", "wsgi", "wsgi"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.dir != "wsgi" {
				needsPackages(t, tt.dir)
			}
			for _, door := range doors(t, p, tt.manifest) {
				t.Run(door.name, func(t *testing.T) {
					t.Run("pages", func(t *testing.T) { pages(t, door, tt.dir) })
					t.Run("queries", func(t *testing.T) { queries(t, door) })
					t.Run("headers", func(t *testing.T) { headers(t, door) })
					t.Run("cookies", func(t *testing.T) { cookies(t, door) })
					t.Run("bodies", func(t *testing.T) { bodies(t, door) })
					t.Run("large", func(t *testing.T) { large(t, door) })
					t.Run("CORS", func(t *testing.T) { crossOrigin(t, door) })
					t.Run("at once", func(t *testing.T) { atOnce(t, door) })
					t.Run("errors", func(t *testing.T) { failures(t, door) })
				})
			}
		})
	}
}

func pages(t *testing.T, d door, framework string) {
	home := get(t, d.base+"/").is(200).says("<h1>At home</h1>")
	if got := home.header.Get("Content-Type"); !strings.HasPrefix(got, "text/html") {
		home.errorf("Content-Type is %q", got)
	}
	head := call{method: "HEAD", url: d.base + "/"}.do(t).is(200).says("")
	if framework != "hono" && !d.rest { // Hono gives a HEAD no Content-Length, and a REST API makes its own
		head.has("Content-Length", "16")
	}
	for segment, id := range map[string]string{"42": "42", "J%C3%BCrgen%20M": "Jürgen M", "a+b": "a+b", "it%27s,%20(really)": "it's, (really)"} {
		a := get(t, d.base+"/users/"+segment).is(200)
		var user struct{ ID string }
		if err := json.Unmarshal(a.body, &user); err != nil || user.ID != id {
			a.errorf("the id is %q, want %q", user.ID, id)
		}
	}
	get(t, d.base+"/users/7?from=old").is(200).json(`{"id": "7", "method": "GET", "path": "/users/7", "ip": "127.0.0.1"}`)
	call{method: "DELETE", url: d.base + "/users/7"}.do(t).is(204).says("")
	get(t, d.base+"/old").is(302).has("Location", "/users/7?from=old")
}

func queries(t *testing.T, d door) {
	for query, want := range map[string]string{
		"":                              `{}`,
		"q=x":                           `{"q": "x"}`,
		"tag=a&tag=b&q=x":               `{"tag": ["a", "b"], "q": "x"}`,
		"q=two+words&name=J%C3%BCrgen":  `{"q": "two words", "name": "Jürgen"}`,
		"q=a%26b%3Dc&e=1%2B1%3D2&z=%25": `{"q": "a&b=c", "e": "1+1=2", "z": "%"}`,
		"empty=&q=%F0%9F%90%91":         `{"empty": "", "q": "🐑"}`,
	} {
		get(t, d.base+"/search?"+query).is(200).json(want)
	}
}

func headers(t *testing.T, d door) {
	a := call{url: d.base + "/headers", header: http.Header{"X-Probe": {"one"}, "User-Agent": {"probe/1.0"}}}.do(t).is(203)
	a.has("X-Answer", "one").has("Cache-Control", "no-store")
	if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		a.errorf("Content-Type is %q", got)
	}
	if got := strings.Join(a.header.Values("Vary"), ", "); !strings.Contains(strings.ReplaceAll(got, ", ", ","), "X-Probe,Origin") {
		a.errorf("Vary is %q", got)
	}
	a.json(fmt.Sprintf(`{"probe": "one", "agent": "probe/1.0", "host": %q}`, hostOf(t, d.base)))
}

func cookies(t *testing.T, d door) {
	a := call{url: d.base + "/cookies", header: http.Header{"Cookie": {"a=1; b=two"}}}.do(t).is(200).json(`{"a": "1", "b": "two"}`)
	set := (&http.Response{Header: a.header}).Cookies()
	if len(set) != 2 {
		a.errorf("%d cookies were set", len(set))
		return
	}
	session, theme := set[0], set[1]
	if session.Name != "session" || session.Value != "a%20b" || !session.HttpOnly || session.Path != "/" || session.SameSite != http.SameSiteLaxMode {
		a.errorf("the first cookie is %+v", session)
	}
	if theme.Name != "theme" || theme.Value != "dark" {
		a.errorf("the second cookie is %+v", theme)
	}
	one := get(t, d.base+"/one-cookie").is(200)
	if set := (&http.Response{Header: one.header}).Cookies(); len(set) != 1 || set[0].Name != "only" {
		one.errorf("cookies %v", set)
	}
}

func bodies(t *testing.T, d door) {
	post(t, d.base+"/json", "application/json", `{"name": "Ærø", "list": [1, 2.5, null], "deep": {"yes": true}}`).
		is(201).json(`{"got": {"name": "Ærø", "list": [1, 2.5, null], "deep": {"yes": true}}}`)
	post(t, d.base+"/form", "application/x-www-form-urlencoded", "name=J%C3%BCrgen+M&tag=a&tag=b&eq=1%3D1").
		is(200).json(`{"name": "Jürgen M", "tag": ["a", "b"], "eq": "1=1"}`)

	every := make([]byte, 4096)
	for i := range every {
		every[i] = byte(i)
	}
	sum := sha256.Sum256(every)
	octets := http.Header{"Content-Type": {"application/octet-stream"}}
	call{method: "PUT", url: d.base + "/upload", header: octets, body: string(every)}.do(t).
		is(200).json(fmt.Sprintf(`{"length": 4096, "sha256": %q}`, hex.EncodeToString(sum[:])))
	call{method: "POST", url: d.base + "/bytes", header: octets, body: string(every)}.do(t).
		is(200).has("Content-Type", "application/octet-stream").says(string(every))

	a := call{url: d.base + "/gzip", header: http.Header{"Accept-Encoding": {"gzip"}}}.do(t).is(200).has("Content-Encoding", "gzip")
	z, err := gzip.NewReader(bytes.NewReader(a.body))
	if err != nil {
		a.errorf("%v", err)
		return
	}
	if text, err := io.ReadAll(z); string(text) != "compressed by the application" {
		a.errorf("it unpacks to %q, %v", text, err)
	}
}

// random is as much as fits into an event: 6 MB of JSON, in which bytes are base64.
var random = sync.OnceValues(func() (body, sum string) {
	b := make([]byte, 4<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	hash := sha256.Sum256(b)
	return string(b), hex.EncodeToString(hash[:])
})

func large(t *testing.T, d door) {
	const size = 5 << 20
	get(t, fmt.Sprint(d.base, "/large?size=", size)).is(200).says(strings.Repeat("x", size))
	body, sum := random()
	call{method: "PUT", url: d.base + "/upload", header: http.Header{"Content-Type": {"application/octet-stream"}}, body: body}.do(t).
		is(200).json(fmt.Sprintf(`{"length": %d, "sha256": %q}`, len(body), sum))
}

// crossOrigin checks that an application which answers preflights by itself is asked.
func crossOrigin(t *testing.T, d door) {
	origin := http.Header{"Origin": {"https://shop.example"}}
	call{url: d.base + "/shared", header: origin}.do(t).is(200).json(`["a", "b", "c"]`).has("X-Total", "3").
		has("Access-Control-Allow-Origin", "https://shop.example").has("Access-Control-Allow-Credentials", "true").has("Access-Control-Expose-Headers", "X-Total")
	origin.Set("Access-Control-Request-Method", "GET")
	a := call{method: "OPTIONS", url: d.base + "/shared", header: origin}.do(t).is(204).has("Access-Control-Allow-Origin", "https://shop.example")
	if !slices.ContainsFunc(a.header.Values("Access-Control-Allow-Methods"), func(m string) bool { return strings.Contains(m, "GET") }) {
		a.errorf("GET is not allowed")
	}
}

func failures(t *testing.T, d door) {
	get(t, d.base+"/nothing/here").is(404).json(`{"error": "no such page", "path": "/nothing/here"}`)
	get(t, d.base+"/fail").is(500).json(`{"error": "the application failed"}`)
	post(t, d.base+"/json", "application/json", `{"name": `).is(400)
	get(t, d.base+"/").is(200) // it works on after all of that
}

// TestFastifyContext checks that an application finds its event and context.
func TestFastifyContext(t *testing.T) {
	needsPackages(t, "fastify")
	d := deploy(t, platformtest.Start(t), "fastify", serverless.Options{})
	get(t, d.at(t, "ANY $default")+"/invocation").is(200).json(`{"stage": "$default", "function": "fastify-web-dev-web"}`)
	get(t, d.at(t, "ANY /")+"invocation").is(200).json(`{"stage": "dev", "function": "fastify-web-dev-web"}`)
}

// atOnce checks that requests at the same time get their own answers.
func atOnce(t *testing.T, d door) {
	const requests = 6
	var group sync.WaitGroup
	for i := range requests {
		group.Go(func() {
			text := strings.Repeat(fmt.Sprintf("%02d", i), 50_000)
			post(t, d.base+"/bytes", "application/octet-stream", text).is(200).says(text)
			get(t, fmt.Sprint(d.base, "/search?i=", i)).is(200).json(fmt.Sprintf(`{"i": "%d"}`, i))
		})
	}
	group.Wait()
}
