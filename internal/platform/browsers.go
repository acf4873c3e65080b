package platform

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
)

// refuseBrowsers keeps web pages from an API that takes every request for its
// owner's, as that of `pinfold dev` does: a page that a developer looks at may
// send requests to the developer's own machine. Browsers say so in Origin and
// Sec-Fetch-Site. Where a page's own name has been made to lead here (DNS
// rebinding) they need not, but then it is in Host. own is the host of the API's
// address as it was configured.
func refuseBrowsers(own string, h http.Handler) http.Handler {
	own, _, _ = net.SplitHostPort(own)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		why := ""
		switch {
		case r.Header.Get("Origin") != "", site != "" && site != "none":
			why = "a web page asks for this"
		case !ownName(r.Host, own):
			why = "the request is for the host " + r.Host
		default:
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(map[string]string{
			"code": "Denied", "message": "`pinfold dev` accepts any credentials, so its API is for programs on this machine alone, and " + why,
		})
	})
}

// ownName reports whether a host is one that no stranger can have made to lead
// here: an address, a name of this machine or network, or one of AWS's, where
// that is redirected.
func ownName(host, own string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if net.ParseIP(host) != nil || !strings.Contains(host, ".") || strings.EqualFold(host, own) {
		return true
	}
	for _, suffix := range []string{".localhost", ".docker.internal", ".amazonaws.com"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}
