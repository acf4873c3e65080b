package pinfold

// APIKind is the flavour of an HTTP front door.
type APIKind string

// The kinds of API. They differ in matching, payload, errors and limits.
const (
	HTTPAPI APIKind = "http" // API Gateway v2: payload 2.0 by default, 30 s
	RESTAPI APIKind = "rest" // API Gateway v1: payload 1.0, stages, 29 s
)

// API is a set of routes under one host name.
type API struct {
	Account string  `json:"account"`
	Region  string  `json:"region"`
	ID      string  `json:"id"` // 10 lower-case letters and digits; first label of its host
	Name    string  `json:"name"`
	Kind    APIKind `json:"kind"`
	// Stage is the first path segment of a REST API's URLs, "$default" (none)
	// for an HTTP API.
	Stage string `json:"stage"`
	CORS  *CORS  `json:"cors,omitempty"`
	// BinaryMediaTypes are the content types that a REST API hands over as
	// base64; "*/*" is all. An HTTP API decides by itself.
	BinaryMediaTypes []string `json:"binaryMediaTypes,omitempty"`
	APIKeys          []APIKey `json:"apiKeys,omitempty"`
	Routes           []Route  `json:"routes"`
	App              string   `json:"app,omitempty"` // "name/stage" of the application that owns it
}

// Route sends requests that match a method and a path to a function.
type Route struct {
	Method  string      `json:"method"` // upper case, or "ANY"
	Path    string      `json:"path"`   // "/users/{id}", "/{proxy+}", or "$default"
	Target  FunctionRef `json:"target"`
	Payload string      `json:"payload"` // "1.0" or "2.0"
	// Timeout in milliseconds for the integration; 0 is the kind's own (30,000 or 29,000).
	TimeoutMS int   `json:"timeoutMs,omitempty"`
	CORS      *CORS `json:"cors,omitempty"` // REST: per-path preflight
	// APIKeyRequired asks for one of the API's keys in the x-api-key header.
	APIKeyRequired bool `json:"apiKeyRequired,omitempty"`
}

// APIKey lets its bearer call a REST API's private routes.
type APIKey struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// CORS is a cross-origin policy in API Gateway's terms.
type CORS struct {
	AllowOrigins     []string `json:"allowOrigins,omitempty"`
	AllowMethods     []string `json:"allowMethods,omitempty"`
	AllowHeaders     []string `json:"allowHeaders,omitempty"`
	ExposeHeaders    []string `json:"exposeHeaders,omitempty"`
	AllowCredentials bool     `json:"allowCredentials,omitempty"`
	MaxAge           int      `json:"maxAge,omitempty"` // seconds
}
