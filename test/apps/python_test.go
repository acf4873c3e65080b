package apps_test

import (
	"net/http"
	"testing"

	"pinfold.dev/pinfold/platformtest"
)

// TestASGI deploys a Python package behind an HTTP API that answers for CORS.
func TestASGI(t *testing.T) {
	d := platformtest.Start(t).Deploy(t, "asgi")
	items := urlOf(t, d, "ANY", "/items")

	get(t, items).is(200).has("X-Total", "0").json(`{"shop": "asgi-web-dev", "items": []}`)
	for _, item := range []string{`{"id": "ewe", "kind": "sheep"}`, `{"id": "nanny", "kind": "goat"}`, `{"id": "Bäh 1", "kind": "sheep"}`} {
		post(t, items, "application/json", item).is(201).json(item)
	}
	post(t, items, "application/json", `{"id": "ram", "kind": "sheep"}`).is(201).has("Location", "/items/ram").has("Set-Cookie", "last=ram")
	get(t, items+"?kind=goat&kind=cow").is(200).has("X-Total", "1").json(`{"shop": "asgi-web-dev", "items": [{"id": "nanny", "kind": "goat"}]}`)
	get(t, items+"/ewe").is(200).json(`{"id": "ewe", "kind": "sheep"}`)
	get(t, items+"/B%C3%A4h%201").is(200).json(`{"id": "Bäh 1", "kind": "sheep"}`)
	call{method: "DELETE", url: items + "/ewe"}.do(t).is(204).says("")
	get(t, items+"/ewe").is(404).json(`{"detail": "no item ewe"}`)
	call{method: "PATCH", url: items}.do(t).is(405).has("Allow", "GET, POST")
	get(t, urlOf(t, d, "GET", "/stream/{path+}")+"a/b/c").is(200).says("a\nb\nc\n")

	// What the API does before the application is asked.
	get(t, items+"/ewe/lamb").is(404).json(`{"message": "Not Found"}`)
	post(t, urlOf(t, d, "GET", "/stream/{path+}")+"a", "text/plain", "").is(404).json(`{"message": "Not Found"}`)
	preflight := http.Header{"Origin": {"https://shop.example"}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"content-type"}}
	call{method: "OPTIONS", url: items, header: preflight}.do(t).is(204).
		has("Access-Control-Allow-Origin", "https://shop.example").has("Access-Control-Allow-Credentials", "true").has("Access-Control-Max-Age", "600").says("")
	call{url: items, header: http.Header{"Origin": {"https://shop.example"}}}.do(t).is(200).
		has("Access-Control-Allow-Origin", "https://shop.example").has("Access-Control-Expose-Headers", "X-Total")
	call{url: items, header: http.Header{"Origin": {"https://elsewhere.example"}}}.do(t).is(200).has("Access-Control-Allow-Origin")
}
