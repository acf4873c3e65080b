package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/httpapi"
)

// differences lists what is not the same between a function as it runs and as
// the application wants it, in words. Values of environment variables are not
// shown: they may be secrets.
func differences(have *pinfold.Version, want pinfold.Config, code pinfold.Package) []string {
	var diffs []string
	compare := func(name string, old, new any) {
		if old != new {
			diffs = append(diffs, fmt.Sprintf("%s %v -> %v", name, blank(old), blank(new)))
		}
	}
	h := have.Config
	if have.Code.SHA256 != code.SHA256 {
		diffs = append(diffs, "code")
	}
	compare("runtime", h.Runtime, want.Runtime)
	compare("handler", h.Handler, want.Handler)
	compare("memory", megabytes(h.MemoryMB), megabytes(want.MemoryMB))
	compare("timeout", h.Timeout.Duration(), want.Timeout.Duration())
	compare("/tmp", megabytes(h.EphemeralMB), megabytes(want.EphemeralMB))
	compare("architecture", h.Architecture, want.Architecture)
	compare("role", h.Role, want.Role)
	compare("description", h.Description, want.Description)
	compare("log format", h.LogFormat, want.LogFormat)
	compare("application log level", h.ApplicationLevel, want.ApplicationLevel)
	compare("system log level", h.SystemLevel, want.SystemLevel)
	compare("log group", h.LogGroup, want.LogGroup)
	compare("concurrency of an instance", instanceWords(h.MaxConcurrency), instanceWords(want.MaxConcurrency))
	compare("capacity provider", h.CapacityProvider, want.CapacityProvider)
	compare("dead letters", h.DeadLetter, want.DeadLetter)
	compare("tracing", h.TracingMode, want.TracingMode)
	if d := mapDifferences(h.Environment, want.Environment); d != "" {
		diffs = append(diffs, "environment "+d)
	}
	if d := networkDifference(h.Network, want.Network); d != "" {
		diffs = append(diffs, "network "+d)
	}
	if !slices.EqualFunc(h.Layers, want.Layers, func(a, b pinfold.LayerRef) bool { return a.ARN == b.ARN }) {
		diffs = append(diffs, "layers")
	}
	return diffs
}

// networkDifference is "open -> none", or between lists what comes and goes:
// "+api.example.com -10.0.0.0/8". Their order means nothing.
func networkDifference(have, want pinfold.Network) string {
	if have.Policy == pinfold.NetworkList && want.Policy == pinfold.NetworkList {
		return mapDifferences(setOf(have.Allow), setOf(want.Allow))
	}
	if old, new := networkWords(have), networkWords(want); old != new {
		return old + " -> " + new
	}
	return ""
}

// networkWords is a network on a line where commas stand between other things.
func networkWords(n pinfold.Network) string {
	if n.Policy == pinfold.NetworkList {
		return strings.Join(n.Allow, " ")
	}
	return n.String()
}

func setOf(words []string) map[string]string {
	set := map[string]string{}
	for _, w := range words {
		set[w] = ""
	}
	return set
}

func megabytes(n int) string { return fmt.Sprintf("%d MB", n) }

func blank(v any) any {
	if v == "" {
		return "(none)"
	}
	return v
}

// mapDifferences names the keys that were added, changed and removed: "+A ~B -C".
func mapDifferences(have, want map[string]string) string {
	var diffs []string
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if old, ok := have[key]; !ok {
			diffs = append(diffs, "+"+key)
		} else if old != want[key] {
			diffs = append(diffs, "~"+key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[key]; !ok {
			diffs = append(diffs, "-"+key)
		}
	}
	return strings.Join(diffs, " ")
}

// routeChanges compares two APIs of a kind, either of which may be absent. A
// route of a REST API says so: the application's HTTP API may have the same.
func routeChanges(have, want *pinfold.API) []app.Change {
	var changes []app.Change
	change := func(op app.Op, name string, detail []string) {
		if kindOf(have, want) == pinfold.RESTAPI {
			detail = append(detail, "REST API")
		}
		changes = append(changes, app.Change{Op: op, Kind: "route", Name: name, Detail: detail})
	}
	old := routesByName(have)
	for _, r := range routesOf(want) {
		name := httpapi.Name(r)
		before, exists := old[name]
		delete(old, name)
		switch {
		case !exists:
			change(app.Add, name, []string{nameOf(r.Target)})
		case !sameRoute(before, r):
			change(app.Update, name, routeDetail(before, r))
		}
	}
	for _, r := range routesOf(have) {
		if name := httpapi.Name(r); !gone(old, name) {
			change(app.Remove, name, nil)
		}
	}
	if detail := apiDetail(have, want); len(detail) > 0 {
		changes = append(changes, app.Change{Op: app.Update, Kind: "api", Name: want.Name, Detail: detail})
	}
	return changes
}

// kindOf returns the kind of the first API that is there.
func kindOf(apis ...*pinfold.API) pinfold.APIKind {
	for _, a := range apis {
		if a != nil {
			return a.Kind
		}
	}
	return ""
}

func gone(remaining map[string]pinfold.Route, name string) bool {
	_, left := remaining[name]
	return !left
}

func routesOf(a *pinfold.API) []pinfold.Route {
	if a == nil {
		return nil
	}
	return a.Routes
}

func routesByName(a *pinfold.API) map[string]pinfold.Route {
	byName := map[string]pinfold.Route{}
	for _, r := range routesOf(a) {
		byName[httpapi.Name(r)] = r
	}
	return byName
}

func sameRoute(a, b pinfold.Route) bool {
	return a.Target == b.Target && a.Payload == b.Payload && a.TimeoutMS == b.TimeoutMS &&
		a.APIKeyRequired == b.APIKeyRequired && sameCORS(a.CORS, b.CORS)
}

func routeDetail(old, new pinfold.Route) []string {
	var diffs []string
	if old.Target != new.Target {
		diffs = append(diffs, nameOf(old.Target)+" -> "+nameOf(new.Target))
	}
	if old.Payload != new.Payload {
		diffs = append(diffs, "payload "+old.Payload+" -> "+new.Payload)
	}
	if old.TimeoutMS != new.TimeoutMS {
		diffs = append(diffs, fmt.Sprintf("timeout %d ms -> %d ms", old.TimeoutMS, new.TimeoutMS))
	}
	if old.APIKeyRequired != new.APIKeyRequired {
		diffs = append(diffs, map[bool]string{true: "private", false: "public"}[new.APIKeyRequired])
	}
	if !sameCORS(old.CORS, new.CORS) {
		diffs = append(diffs, "cors")
	}
	return diffs
}

// apiDetail lists what differs between APIs apart from their routes; nothing
// where one of them is absent, since its routes tell that already.
func apiDetail(have, want *pinfold.API) []string {
	if have == nil || want == nil {
		return nil
	}
	var diffs []string
	if have.Stage != want.Stage {
		diffs = append(diffs, "stage "+have.Stage+" -> "+want.Stage)
	}
	if !sameCORS(have.CORS, want.CORS) {
		diffs = append(diffs, "cors")
	}
	if !slices.Equal(have.BinaryMediaTypes, want.BinaryMediaTypes) {
		diffs = append(diffs, "binary media types")
	}
	if !slices.Equal(have.APIKeys, want.APIKeys) {
		diffs = append(diffs, "API keys")
	}
	return diffs
}

func sameCORS(a, b *pinfold.CORS) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.Equal(a.AllowOrigins, b.AllowOrigins) && slices.Equal(a.AllowMethods, b.AllowMethods) &&
		slices.Equal(a.AllowHeaders, b.AllowHeaders) && slices.Equal(a.ExposeHeaders, b.ExposeHeaders) &&
		a.AllowCredentials == b.AllowCredentials && a.MaxAge == b.MaxAge
}
