package badinput

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// JSON that is 7 MB long, where Lambda takes 6.
var sevenMB = []byte(`"` + strings.Repeat("x", 7<<20) + `"`)

func TestPayloads(t *testing.T) {
	t.Parallel()
	h := start(t)
	for name, test := range map[string]struct {
		payload []byte
		code    pinfold.Code
		reason  string
		want    []string
	}{
		"7 MB":                 {sevenMB, pinfold.TooLarge, "RequestTooLargeException", []string{"Request must be smaller than", "InvokeFunction operation"}},
		"not JSON":             {[]byte(`{"a": 1,}`), pinfold.Invalid, "InvalidRequestContentException", []string{"Could not parse request body into json", "line: 1, column: 9"}},
		"JSON that is cut off": {[]byte("{\n\"a\": [1, 2"), pinfold.Invalid, "InvalidRequestContentException", []string{"unexpected end of JSON input", "line: 2"}},
		"two values":           {[]byte("1 2"), pinfold.Invalid, "InvalidRequestContentException", []string{"column: 3"}},
		"not UTF-8":            {[]byte("\"\xff\""), pinfold.Invalid, "InvalidRequestContentException", []string{"invalid UTF-8"}},
		"a million brackets":   {bytes.Repeat([]byte("["), 1<<20), pinfold.Invalid, "InvalidRequestContentException", []string{"Could not parse"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Client.Invoke(t.Context(), "good-dev-hello", test.payload, false)
			wantError(t, err, test.code, test.reason, test.want...)
		})
	}
	t.Run("a client context that is none", func(t *testing.T) {
		for _, context := range []string{"e", "W10=", "!"} { // [] in base64 is the second
			status, kind, body := ask(t, h.signed(t, http.MethodPost, invokePath, "lambda", []byte("{}"), func(r *http.Request) {
				r.Header.Set("X-Amz-Client-Context", context)
			}))
			if status != http.StatusBadRequest || !strings.HasPrefix(kind, "InvalidRequestContentException") {
				t.Errorf("%d %s %s", status, kind, body)
			}
		}
	})
	h.unharmed(t)
}

// A body that is over the function's limit gets through the door but not to the
// function; one over the door's limit does not get through the door.
func TestLargeBodiesAtTheDoor(t *testing.T) {
	t.Parallel()
	h := start(t)
	for name, size := range map[string]int{"over the function's limit": 7 << 20, "over the door's limit": 11 << 20} {
		for _, chunked := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url, bytes.NewReader(make([]byte, size)))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "text/plain")
				if chunked {
					req.ContentLength = -1
				}
				status, body := h.send(t, req)
				if status != http.StatusRequestEntityTooLarge || body != `{"message":"Request Entity Too Large"}` {
					t.Errorf("chunked %t: %d %s", chunked, status, body)
				}
			})
		}
	}
	h.unharmed(t)
}

// A function whose answer is over 6 MB is told so, and its caller, too.
func TestLargeAnswers(t *testing.T) {
	t.Parallel()
	h := start(t)
	deployed, err := h.TryDeploy(t.Context(), t.TempDir(), files(t, "large", `exports.handler = async () => "x".repeat(7 << 20);`))
	if err != nil {
		t.Fatal(err)
	}
	result, err := h.Client.Invoke(t.Context(), deployed.Functions[0].Name, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if result.FunctionError != "Unhandled" {
		t.Errorf("FunctionError %q, want Unhandled: %.200s", result.FunctionError, result.Payload)
	}
	wantText(t, string(result.Payload), "Function.ResponseSizeTooLarge", "6291556")
	if err := h.Client.Remove(t.Context(), "large", "dev"); err != nil {
		t.Fatal(err)
	}
	h.unharmed(t)
}
