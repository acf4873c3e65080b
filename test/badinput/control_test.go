package badinput

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
)

// What a client of another version says and this server does not understand
// is refused, not left out.
func TestApplicationsOfOtherClients(t *testing.T) {
	t.Parallel()
	h := start(t)
	a, plan, _, err := h.plan(t.Context(), h.dir)
	if err != nil {
		t.Fatal(err)
	}
	a.Functions[0].Config.MemoryMB *= 2 // something to deploy
	document, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	with := func(from, to string) []byte {
		if !bytes.Contains(document, []byte(from)) {
			t.Fatalf("%s is not in %s", from, document)
		}
		return bytes.Replace(document, []byte(from), []byte(to), 1)
	}
	for name, test := range map[string]struct {
		body []byte
		want []string
	}{
		"a new field":           {with(`{"name":"good"`, `{"tables":[{"name":"users"}],"name":"good"`), []string{"tables", "pinfold version"}},
		"a new field deep down": {with(`"config":{`, `"config":{"gpus":2,`), []string{"gpus", "pinfold version"}},
		"another type":          {with(`"functions":[`, `"functions":"all","layers":[`), []string{"functions", "pinfold version"}},
		"not JSON":              {document[:len(document)/2], []string{"pinfold version"}},
		"nothing":               {nil, []string{"pinfold version"}},
		"two":                   {append(bytes.Clone(document), document...), []string{"followed by something else"}},
		"over 16 MB":            {append(bytes.Clone(document), bytes.Repeat([]byte(" "), 17<<20)...), []string{"16 MB"}},
		"deep":                  {[]byte(`{"name":` + strings.Repeat("[", 1<<20)), []string{"depth"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, operation := range []string{"plan", "deploy"} {
				status, body := h.send(t, h.signed(t, http.MethodPost, "/_pinfold/v1/"+operation+"?base="+plan.Base, "pinfold", test.body, nil))
				if status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge {
					t.Errorf("%s: status %d: %s", operation, status, body)
				}
				wantText(t, body, test.want...)
			}
		})
	}
	h.unharmed(t)
}

// The server holds an application to its rules by itself: whoever sends one
// may not have read it from a manifest. All of it is refused, the half that is
// right included.
func TestApplicationsThatBreakRules(t *testing.T) {
	t.Parallel()
	h := start(t)
	for name, test := range map[string]struct {
		spoil func(a *app.Application)
		code  pinfold.Code
		want  string
	}{
		"two functions on one route": {func(a *app.Application) {
			api := &a.APIs[0]
			again := api.Routes[0]
			again.Target.Name = "good-dev-second"
			api.Routes = append(api.Routes, again)
		}, pinfold.Invalid, "two routes take the same requests"},
		"a route to nowhere":        {func(a *app.Application) { a.APIs[0].Routes[0].Target.Name = "nobody" }, pinfold.Invalid, "nobody"},
		"a runtime of nobody":       {func(a *app.Application) { a.Functions[1].Config.Runtime = "cobol85" }, pinfold.Invalid, "serverless.yml:6: function second"},
		"no memory":                 {func(a *app.Application) { a.Functions[1].Config.MemoryMB = -1 }, pinfold.Invalid, "serverless.yml:6: function second"},
		"a name that is none":       {func(a *app.Application) { a.Functions[1].Name = "../second" }, pinfold.Invalid, "../second"},
		"one name twice":            {func(a *app.Application) { a.Functions[1].Name = a.Functions[0].Name }, pinfold.Invalid, "good-dev-hello"},
		"a layer that is not there": {func(a *app.Application) { a.Functions[1].Layers = []string{"layer:none"} }, pinfold.Invalid, "none"},
		"no name":                   {func(a *app.Application) { a.Name = "" }, pinfold.Invalid, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			a, _, _, err := h.plan(t.Context(), h.dir)
			if err != nil {
				t.Fatal(err)
			}
			// Two things that could be done come before and beside the one that cannot.
			a.Functions[0].Config.MemoryMB = 777
			second := a.Functions[0]
			second.Key, second.Name = "second", "good-dev-second"
			a.Functions = append(a.Functions, second)
			test.spoil(a)
			_, err = h.Client.Deploy(t.Context(), a, "")
			wantError(t, err, test.code, "", test.want)
			h.unharmed(t)
		})
	}
}

// A plan that is out of date is not carried out.
func TestOutdatedPlan(t *testing.T) {
	t.Parallel()
	h := start(t)
	a, plan, _, err := h.plan(t.Context(), h.dir)
	if err != nil {
		t.Fatal(err)
	}
	a.Functions[0].Config.MemoryMB = 777
	if _, err := h.Client.Deploy(t.Context(), a, plan.Base); err != nil {
		t.Fatal(err)
	}
	a.Functions[0].Config.MemoryMB = 888
	_, err = h.Client.Deploy(t.Context(), a, plan.Base)
	wantError(t, err, pinfold.Conflict, "", "look at a new plan")
	if _, err := h.TryDeploy(t.Context(), h.cache, h.dir); err != nil {
		t.Fatal(err)
	}
	h.unharmed(t)
}

// Names that are nobody's get an answer that says so.
func TestUnknownNames(t *testing.T) {
	t.Parallel()
	h := start(t)
	for name, call := range map[string]func() error{
		"a function": func() error {
			_, err := h.Client.Invoke(t.Context(), "nobody", nil, false)
			return err
		},
		"a version": func() error {
			_, err := h.Client.Invoke(t.Context(), "good-dev-hello:99", nil, false)
			return err
		},
		"an alias": func() error {
			_, err := h.Client.Invoke(t.Context(), "good-dev-hello:live", nil, false)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, call(), pinfold.NotFound, "ResourceNotFoundException", "Function not found: arn:aws:lambda:")
		})
	}
	t.Run("an application", func(t *testing.T) {
		wantError(t, h.Client.Remove(t.Context(), "good", "prod"), pinfold.NotFound, "", "no application good is deployed in stage prod")
	})
	t.Run("an operation", func(t *testing.T) {
		status, body := h.send(t, h.signed(t, http.MethodPost, "/_pinfold/v1/teleport", "pinfold", nil, nil))
		if status != http.StatusNotFound {
			t.Errorf("status %d", status)
		}
		wantText(t, body, "another version")
	})
	t.Run("a function's name that cannot be one", func(t *testing.T) {
		_, err := h.Client.Invoke(t.Context(), "good dev/../hello", nil, false)
		wantError(t, err, pinfold.Invalid, "ValidationException", "functionName")
	})
	h.unharmed(t)
}
