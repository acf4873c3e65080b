package pinfold

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// Endpoints is where a platform can be reached from outside.
type Endpoints struct {
	API  string `json:"api"`  // base URL of the control and AWS protocols: http://127.0.0.1:4566
	HTTP string `json:"http"` // base URL of the public door: http://127.0.0.1:8080
}

// The paths below which the public door serves APIs and function URLs by their
// ID, whatever the host.
const (
	APIPath         = "/_aws/execute-api/" // then ID/STAGE/..., or ID/... where the stage is $default
	FunctionURLPath = "/_aws/lambda-url/"  // then ID/...
)

// APIByPath returns the base URL of an API in the form that any program on the
// machine can use: names below localhost are known to browsers and curl, but
// not to every resolver. A REST API's stage comes behind it.
func (e Endpoints) APIByPath(id string) string { return e.HTTP + APIPath + id }

// FunctionURLByPath is the same for a function URL, with its trailing slash.
func (e Endpoints) FunctionURLByPath(id string) string { return e.HTTP + FunctionURLPath + id + "/" }

// APIURL returns the URL under which an API's routes are found, without a
// trailing slash. A REST API has its stage in the path, an HTTP API has not.
func (e Endpoints) APIURL(kind APIKind, id, stage string) string {
	u := e.withHost(id + ".execute-api.localhost")
	if kind == RESTAPI {
		u += "/" + stage
	}
	return u
}

// FunctionURL returns the URL of a function URL by its ID, with the trailing
// slash that AWS gives it.
func (e Endpoints) FunctionURL(id string) string {
	return e.withHost(id+".lambda-url.localhost") + "/"
}

// withHost puts host before the public door's port: names below "localhost"
// lead to the machine itself (RFC 6761), so they need no DNS.
func (e Endpoints) withHost(host string) string {
	scheme, rest, _ := strings.Cut(e.HTTP, "://")
	if _, port, ok := strings.Cut(rest[strings.LastIndex(rest, "]")+1:], ":"); ok {
		host += ":" + port
	}
	return scheme + "://" + host
}

// APIID returns the ID of an application's API. It depends on the names alone,
// so that a URL is known before the first deployment and stays the same.
func APIID(account, region, app, stage string, kind APIKind) string {
	return id(10, "api", account, region, app, stage, string(kind))
}

// URLID returns the ID of the function URL of a function or alias.
func URLID(ref FunctionRef) string {
	return id(32, "url", ref.ARN())
}

func id(length int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:length]
}
