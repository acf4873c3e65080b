package sigv4

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var suiteTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

const suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

func suiteSecrets(id, _ string) (string, bool) { return suiteSecret, id == "AKIDEXAMPLE" }

// vectors reads AWS's published requests from testdata.
func vectors(t testing.TB) map[string]string {
	data, err := os.ReadFile("testdata/aws-signing-test-suite.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	titles := regexp.MustCompile(`(?m)^-- (.+) --\n`)
	places := titles.FindAllStringSubmatchIndex(string(data), -1)
	for i, at := range places {
		end := len(data)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		all[string(data[at[2]:at[3]])] = strings.TrimSuffix(string(data[at[1]:end]), "\n")
	}
	if len(all) < 40 {
		t.Fatalf("testdata has %d vectors only", len(all))
	}
	return all
}

func parseRequest(t testing.TB, text string) (*http.Request, []byte) {
	head, body, _ := strings.Cut(text, "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + strings.TrimSuffix(body, "\n"))))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	content, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, content
}

func TestPublishedVectors(t *testing.T) {
	for name, text := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			r, body := parseRequest(t, text)
			got, err := Verify(r, body, suiteSecrets, suiteTime)
			if err != nil {
				c, _ := readClaim(r)
				t.Fatalf("%v\ncanonical request:\n%s", err, c.canonicalRequest(nil, r, c.canonicalPaths(r)[0], "..."))
			}
			presigned := strings.HasPrefix(name, "presigned")
			if got.AccessKeyID != "AKIDEXAMPLE" || got.Region != "us-east-1" || got.Service != "service" || !got.Time.Equal(suiteTime) || got.Presigned != presigned {
				t.Errorf("the signature says %+v", got)
			}
			if id, region, service, ok := Scope(r); !ok || id != "AKIDEXAMPLE" || region != "us-east-1" || service != "service" {
				t.Errorf("scope: %q %q %q %v", id, region, service, ok)
			}
		})
	}
}

// TestAlteredVectors changes each signed request in one place; none may pass.
func TestAlteredVectors(t *testing.T) {
	for name, text := range vectors(t) {
		for change, alter := range map[string]func(r *http.Request, body *[]byte){
			"method": func(r *http.Request, _ *[]byte) { r.Method = "PUT" },
			"path":   func(r *http.Request, _ *[]byte) { r.URL.Path += "x"; r.RequestURI, r.URL.RawPath = "", "" },
			"query":  func(r *http.Request, _ *[]byte) { r.URL.RawQuery += "&added=1" },
			"host":   func(r *http.Request, _ *[]byte) { r.Host = "other.amazonaws.com" },
			"body":   func(_ *http.Request, body *[]byte) { *body = append(*body, 'x') },
			"target": func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Target", "Service.Delete") },
			"time": func(r *http.Request, _ *[]byte) {
				r.Header.Set("X-Amz-Date", "20150830T123601Z")
				r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "T123600Z", "T123601Z", 1)
			},
			"service": func(r *http.Request, _ *[]byte) {
				r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/service/", "/lambda/", 1))
				r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "%2Fservice%2F", "%2Flambda%2F", 1)
			},
		} {
			r, body := parseRequest(t, text)
			alter(r, &body)
			if _, err := Verify(r, body, suiteSecrets, suiteTime); err == nil {
				t.Errorf("%s: passes with another %s", name, change)
			}
		}
		r, body := parseRequest(t, text)
		if _, err := Verify(r, body, func(string, string) (string, bool) { return suiteSecret + "x", true }, suiteTime); err == nil {
			t.Errorf("%s: passes with another secret", name)
		}
	}
}
