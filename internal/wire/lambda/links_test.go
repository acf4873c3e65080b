package lambda_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/lambda"
)

// memory is an open code package in memory.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func links() *lambda.Links {
	return lambda.NewLinks(func(_ context.Context, pkg pinfold.Package) (lambda.Zip, error) {
		if pkg != (pinfold.Package{SHA256: "ab", Size: 7}) {
			return nil, pinfold.Errorf(pinfold.NotFound, "gone")
		}
		return memory{bytes.NewReader([]byte("content"))}, nil
	}, func() pinfold.Endpoints { return pinfold.Endpoints{API: "http://x"} })
}

func fetch(l *lambda.Links, method, url string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, nil)
	r.Header = header
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	return w
}

func TestLinkExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := links()
		url := l.URL(pinfold.Package{SHA256: "ab", Size: 7})
		time.Sleep(10 * time.Minute)
		if w := fetch(l, "GET", url, nil); w.Code != 200 || w.Body.String() != "content" {
			t.Errorf("within its time: %d %s", w.Code, w.Body)
		}
		time.Sleep(time.Second)
		if w := fetch(l, "GET", url, nil); w.Code != 403 || w.Body.String() != "this link to a code package has expired: ask GetFunction for a new one\n" {
			t.Errorf("after its time: %d %s", w.Code, w.Body)
		}
	})
}

func TestLinkServes(t *testing.T) {
	l := links()
	url := l.URL(pinfold.Package{SHA256: "ab", Size: 7})
	if w := fetch(l, "GET", url, http.Header{"Range": {"bytes=3-"}}); w.Code != 206 || w.Body.String() != "tent" {
		t.Errorf("a part: %d %s", w.Code, w.Body)
	}
	if w := fetch(l, "HEAD", url, nil); w.Code != 200 || w.Header().Get("Content-Length") != "7" {
		t.Errorf("head: %d %v", w.Code, w.Header())
	}
	if w := fetch(l, "PUT", url, nil); w.Code != 405 {
		t.Errorf("put: %d", w.Code)
	}
	if w := fetch(l, "GET", l.URL(pinfold.Package{SHA256: "cd", Size: 1}), nil); w.Code != 404 {
		t.Errorf("gone: %d", w.Code)
	}
	if w := fetch(links(), "GET", url, nil); w.Code != 403 {
		t.Errorf("a link of another process: %d", w.Code)
	}
}
