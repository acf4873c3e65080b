package control

import (
	"context"
	"net/http"
	"strconv"

	"pinfold.dev/pinfold"
)

// Events are those of asynchronous invocations; internal/async has them.
type Events interface {
	// Status tells how those of a function are.
	Status(function string) pinfold.AsyncStatus
	// Events returns at most so many of each kind.
	Events(ctx context.Context, function string, most int) ([]pinfold.AsyncEvent, error)
	// Retry has events tried now, all or those with certain ids, and Drop forgets them.
	// Both return how many they are.
	Retry(ctx context.Context, function string, ids ...string) (int, error)
	Drop(ctx context.Context, function string, ids ...string) (int, error)
}

// EventSelection says which events of a function are meant: those with the IDs, or
// all. Nothing is not everything.
type EventSelection struct {
	IDs []string `json:"ids,omitempty"`
	All bool     `json:"all,omitempty"`
}

// Bounds of requests about events: a selection in bytes, a list in events.
const (
	maxSelection = 1 << 20
	maxEvents    = 100
)

func (h *handler) events(r *http.Request) (any, error) {
	name, err := h.eventsOf(r)
	if err != nil {
		return nil, err
	}
	most := maxEvents
	if s := r.URL.Query().Get("limit"); s != "" {
		if most, err = strconv.Atoi(s); err != nil || most < 1 {
			return nil, pinfold.Errorf(pinfold.Invalid, "limit=%q is not a number of events", s)
		}
	}
	all, err := h.Events.Events(r.Context(), name, most)
	return pinfold.AsyncEvents{AsyncStatus: h.Events.Status(name), Events: all}, err
}

func (h *handler) retryEvents(r *http.Request) (any, error) {
	return h.selected(r, func(ctx context.Context, name string, ids ...string) (int, error) {
		return h.Events.Retry(ctx, name, ids...)
	})
}

func (h *handler) dropEvents(r *http.Request) (any, error) {
	return h.selected(r, func(ctx context.Context, name string, ids ...string) (int, error) {
		return h.Events.Drop(ctx, name, ids...)
	})
}

// selected does something with the events that a request is about.
func (h *handler) selected(r *http.Request, do func(ctx context.Context, name string, ids ...string) (int, error)) (any, error) {
	name, err := h.eventsOf(r)
	if err != nil {
		return nil, err
	}
	var which EventSelection
	if err := readJSON(r, "selection", maxSelection, &which); err != nil {
		return nil, err
	}
	if which.All == (len(which.IDs) > 0) {
		return nil, pinfold.Errorf(pinfold.Invalid, "the selection has neither ids nor all, or both: send one of them")
	}
	n, err := do(r.Context(), name, which.IDs...)
	return map[string]int{"events": n}, err
}

func (h *handler) eventsOf(r *http.Request) (string, error) {
	if h.Events == nil {
		return "", pinfold.Errorf(pinfold.Unserved, "this server has no log of events: there are no asynchronous invocations")
	}
	return h.FunctionName(r.Context(), r.PathValue("name"))
}
