package mux

import (
	"net/http"
	"net/url"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/protocol"
	"pinfold.dev/pinfold/internal/wire/sigv4"
)

// Known returns the descriptions of the services that Pinfold knows by name,
// served or not.
func Known() []protocol.Service { return known }

// identify finds the service that a request is for by all but its body: first
// by what its sender signed, then by what names a service outright, last by a
// path that only one service has. It returns nil if that does not say it.
func (m *Mux) identify(r *http.Request) (*protocol.Service, error) {
	if _, _, name, ok := sigv4.Scope(r); ok {
		if s := m.pick(r, func(s *protocol.Service) bool { return s.Signing == name }); s != nil {
			return s, nil
		}
		return nil, unknown(r)
	}
	if prefix, _, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		if s := m.pick(r, func(s *protocol.Service) bool { return s.Target != "" && s.Target == prefix }); s != nil {
			return s, nil
		}
	}
	if label, _, ok := strings.Cut(r.Host, "."); ok {
		if s := m.pick(r, func(s *protocol.Service) bool { return s.Host == label }); s != nil {
			return s, nil
		}
	}
	for _, server := range m.options.Services {
		if server.Claims(r) {
			return server.Model(), nil
		}
	}
	if r.URL.Query().Has("Action") {
		return m.identifyAction(r.URL.Query()), nil
	}
	return nil, nil
}

// pick returns the service that fits. Where several share a name, as API
// Gateway's two generations do, the target header or the path decides, and a
// served one comes before one that is not.
func (m *Mux) pick(r *http.Request, fits func(*protocol.Service) bool) *protocol.Service {
	prefix, _, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	best, bestScore := (*protocol.Service)(nil), -1
	for _, s := range m.known {
		if !fits(s) {
			continue
		}
		score := 0
		server := m.served[s.Name]
		if server != nil {
			score++
		}
		if prefix != "" && s.Target == prefix || server != nil && server.Claims(r) {
			score += 2
		}
		if score > bestScore {
			best, bestScore = s, score
		}
	}
	return best
}

// identifyForm finds the service of an unsigned request of the query protocol.
func (m *Mux) identifyForm(r *http.Request, body []byte) (*protocol.Service, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "the form in the request's body cannot be read: %w", err).WithReason("MalformedInput")
	}
	return m.identifyAction(form), nil
}

// identifyAction goes by Action and Version: among the services with that
// version of the API, one that serves the action. Requests to a queue's URL may be
// without a version.
func (m *Mux) identifyAction(form url.Values) *protocol.Service {
	var candidate *protocol.Service
	version := form.Get("Version")
	for i := range known {
		s := &known[i]
		server := m.served[s.Name]
		if server != nil && server.Speaks(protocol.Query) && (version == s.Version || version == "") && server.Knows(form.Get("Action")) {
			return s
		}
		if candidate == nil && s.Protocol == protocol.Query && version == s.Version {
			candidate = s
		}
	}
	return candidate
}

func isForm(r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return r.Method == http.MethodPost && strings.TrimSpace(kind) == "application/x-www-form-urlencoded"
}

// targetOperation names the operation of a request in a JSON protocol, or "".
func targetOperation(r *http.Request) string {
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return name
}

// wantedOperation names the operation of a request to a service that is not
// served, or "" if its protocol has no place for a name. The query protocol's is
// in the body, which is read if it has not been.
func wantedOperation(w http.ResponseWriter, r *http.Request, body []byte) string {
	if name := targetOperation(r); name != "" {
		return name
	}
	if name := r.URL.Query().Get("Action"); name != "" || !isForm(r) {
		return name
	}
	if body == nil {
		body, _ = readBody(w, r, maxForm) // without a name the answer is only less precise
	}
	form, _ := url.ParseQuery(string(body))
	return form.Get("Action")
}

// spoken returns a service as a request speaks to it: some have a second
// protocol, which a target header or a form gives away. Old SDKs speak the query
// protocol to services that have gone on to JSON, such as SQS.
func spoken(r *http.Request, service *protocol.Service) *protocol.Service {
	has := service.Protocol
	wants := guess(r).Protocol
	fromQuery := has == protocol.Query && targetOperation(r) != ""
	fromJSON := (has == protocol.JSON10 || has == protocol.JSON11) && wants == protocol.Query
	if !fromQuery && !fromJSON {
		return service
	}
	second := *service
	second.Protocol = wants
	return &second
}

// guess returns a description in whose protocol a client most likely speaks
// that sent a request which is no known service's.
func guess(r *http.Request) *protocol.Service {
	s := &protocol.Service{Title: "Pinfold", Protocol: protocol.RESTJSON}
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		s.Protocol = protocol.JSON11
		if strings.Contains(r.Header.Get("Content-Type"), "json-1.0") {
			s.Protocol = protocol.JSON10
		}
	case isForm(r) || r.URL.Query().Has("Action"):
		s.Protocol = protocol.Query
	}
	return s
}
