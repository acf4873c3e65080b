package protocol_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"pinfold.dev/pinfold/internal/wire/protocol"
)

// FuzzServe sends any body to an operation in each protocol: the server must
// answer, and what it says about a bad one must be the sender's fault.
func FuzzServe(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `{"Name":"chair","Tags":[{"Key":"ab"}],"Made":1.5,"Inner":{"Free":{"a":[1]},"Self":{}}}`, `{"Sizes":[1e400]}`, `{"Data":"AA\/="}`,
		`{"Name":"\ud800"}`, `[{"Inner":`, `{"Made":"2020-02-29T12:00:00Z","Price":"NaN","Count":9223372036854775808}`,
		`<a><Tags><member><Key>ab</Key></member></Tags><Env><entry><key>AB</key><value>x</value></entry></Env><Inner><Code>a</Code></Inner></a>`,
		`<a xmlns:x="y" x:z="1"><![CDATA[x]]><!-- c --><Made>x</Made></a>`, `<!DOCTYPE a><a/>`,
		`Action=PutItem&Name=ab&Tags.member.1.Key=ab&Env.entry.1.key=AB&Env.entry.1.value=x&Inner.Self.Inner.Code.2=x`,
		`Action=PutItem&Name=ab&Sizes.member.99999999999999999999=1&Tags.member.=x&...=y&Sizes=`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, p := range []protocol.Protocol{protocol.JSON10, protocol.JSON11, protocol.RESTJSON, protocol.RESTXML, protocol.Query} {
			s := newServer(t, shopModel(p), &shop{item: &item{Name: &body, Data: []byte(body), Codes: []string{body}}}, allow)
			r := httptest.NewRequest(http.MethodPost, "/items/chair", nil)
			r.Header.Set("X-Amz-Target", "Shop.PutItem")
			w := httptest.NewRecorder()
			s.Serve(w, r, []byte(body))
			if w.Code != http.StatusCreated && w.Code/100 != 4 {
				t.Errorf("%s: %d %s", p, w.Code, w.Body)
			}
		}
	})
}

// FuzzRoute sends any path: routing must not panic, and what it takes a label
// from must lead back to the same operation.
func FuzzRoute(f *testing.F) {
	for _, path := range []string{"/items/chair", "/items/a%2Fb/", "/photos/a/b//c", "/items/%", "//", "/items/chair/sell?x=%zz", "/photos/%00"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			r, err := http.NewRequest(method, "http://x"+path, nil)
			if err != nil {
				t.Skip()
			}
			impl := &shop{item: &item{}, photo: &photo{}}
			s := newServer(t, shopModel(protocol.RESTJSON), impl, allow)
			w := httptest.NewRecorder()
			s.Serve(w, r, nil)
			if w.Code >= 500 && w.Code != http.StatusNotImplemented {
				t.Errorf("%s %q: %d %s", method, path, w.Code, w.Body)
			}
			if s.Claims(r) == (w.Code == http.StatusNotFound) {
				t.Errorf("%s %q: claimed %v, answered %d", method, path, s.Claims(r), w.Code)
			}
		}
	})
}
