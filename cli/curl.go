package cli

import (
	"regexp"
	"strings"

	"pinfold.dev/pinfold/app"
)

// curlLine suggests a first call that works when it is pasted: the simplest
// route, or a function URL.
func curlLine(d *app.Deployed) string {
	best, cost := "", 100
	for _, r := range d.Routes {
		if c := routeCost(r); c < cost {
			best, cost = routeCurl(r, d), c
		}
	}
	if best != "" {
		return best
	}
	for _, f := range d.Functions {
		if f.URL != "" {
			return "curl " + quote(f.URL)
		}
	}
	return ""
}

// routeCost tells how much a person has to think about before calling a route.
func routeCost(r app.DeployedRoute) int {
	cost := strings.Count(r.Path, "{")
	if r.Method != "GET" && r.Method != "ANY" {
		cost += 10
	}
	if r.Private {
		cost += 5
	}
	if r.Path == "$default" {
		cost += 3
	}
	return cost
}

var parameter = regexp.MustCompile(`\{(\w+)\+?\}`)

func routeCurl(r app.DeployedRoute, d *app.Deployed) string {
	line := "curl "
	if r.Method != "GET" && r.Method != "ANY" && r.Method != "*" {
		line += "-X " + r.Method + " "
	}
	if r.Private && len(d.APIKeys) > 0 {
		line += "-H " + quote("x-api-key: "+d.APIKeys[0].Value) + " "
	}
	switch r.Method {
	case "POST", "PUT", "PATCH":
		line += "-H 'content-type: application/json' -d '{}' "
	}
	url := r.URL
	if r.Path == "$default" {
		url = strings.TrimSuffix(url, "/") + "/"
	}
	return line + quote(parameter.ReplaceAllString(url, "$1"))
}

var plain = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// quote makes a word that any POSIX shell reads as it is.
func quote(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
