package pinfold_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

func TestParseFunctionRef(t *testing.T) {
	in := pinfold.Scope{Account: "123456789012", Region: "eu-west-1"}
	full := func(name, qualifier string) pinfold.FunctionRef {
		return pinfold.FunctionRef{Account: in.Account, Region: in.Region, Name: name, Qualifier: qualifier}
	}
	for input, want := range map[string]pinfold.FunctionRef{
		"hello":                                      full("hello", ""),
		"hello:1":                                    full("hello", "1"),
		"hello:$LATEST":                              full("hello", "$LATEST"),
		"function:hello":                             full("hello", ""),
		"123456789012:function:hello":                full("hello", ""),
		"123456789012:function:hello:live":           full("hello", "live"),
		"123456789012:hello":                         full("hello", ""),
		"eu-west-1:123456789012:function:hello":      full("hello", ""),
		"eu-west-1:123456789012:function:hello:live": full("hello", "live"),
		"arn:aws:lambda:eu-west-1:123456789012:function:hello":      full("hello", ""),
		"arn:aws:lambda:eu-west-1:123456789012:function:hello:live": full("hello", "live"),
		"arn:aws:lambda:eu-west-1:999999999999:function:hello": {
			Account: "999999999999", Region: "eu-west-1", Name: "hello"},
	} {
		if got, err := pinfold.ParseFunctionRef(input, in); err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", input, got, err, want)
		}
	}
	for input, want := range map[string]pinfold.Code{
		"":          pinfold.Invalid,
		":1":        pinfold.Invalid,
		"hello:":    pinfold.Invalid,
		"hello:1:2": pinfold.Invalid,
		"arn:aws:lambda:eu-west-1:123456789012:layer:x":        pinfold.Invalid,
		"arn:aws:sqs:eu-west-1:123456789012:function:x":        pinfold.Invalid,
		"arn:aws:lambda:us-east-1:123456789012:function:hello": pinfold.NotFound,
		"us-east-1:123456789012:function:hello":                pinfold.NotFound,
	} {
		if got, err := pinfold.ParseFunctionRef(input, in); pinfold.CodeOf(err) != want {
			t.Errorf("%q: got %+v, %v; want an error with code %s", input, got, err, want)
		}
	}
}

func FuzzParseFunctionRef(f *testing.F) {
	for _, s := range []string{"hello", "hello:1", "123456789012:function:hello", "us-east-1:123456789012:hello:live", "function:123456789012:1", "arn:aws:lambda:us-east-1:1:function:x:y", "arn:", "::"} {
		f.Add(s)
	}
	in := pinfold.Scope{Account: "1", Region: "us-east-1"}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := pinfold.ParseFunctionRef(s, in)
		if err != nil {
			return
		}
		// What is read can be written as an ARN and read again.
		again, err := pinfold.ParseFunctionRef(ref.ARN(), in)
		if err != nil || again != ref {
			t.Errorf("%q is %+v, but its ARN %s is %+v, %v", s, ref, ref.ARN(), again, err)
		}
	})
}

func TestErrors(t *testing.T) {
	err := fmt.Errorf("deploying: %w", pinfold.Errorf(pinfold.Invalid, "reading x: %w", io.ErrUnexpectedEOF).WithReason("InvalidZipFileException"))
	if got := pinfold.CodeOf(err); got != pinfold.Invalid {
		t.Errorf("code is %s", got)
	}
	if got := pinfold.ReasonOf(err); got != "InvalidZipFileException" {
		t.Errorf("reason is %s", got)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if got := err.Error(); got != "deploying: reading x: unexpected EOF" {
		t.Errorf("the text is %q", got)
	}
	if pinfold.CodeOf(nil) != "" || pinfold.CodeOf(io.EOF) != pinfold.Internal {
		t.Error("nil has no code, a foreign error is Internal")
	}
}

func TestEndpoints(t *testing.T) {
	for base, want := range map[string]string{
		"http://127.0.0.1:8080": "http://abc.execute-api.localhost:8080/dev",
		"http://[::1]:8080":     "http://abc.execute-api.localhost:8080/dev",
		"https://example.org":   "https://abc.execute-api.localhost/dev",
	} {
		if got := (pinfold.Endpoints{HTTP: base}).APIURL(pinfold.RESTAPI, "abc", "dev"); got != want {
			t.Errorf("%s: got %s, want %s", base, got, want)
		}
	}
}

// IDs are part of users' URLs: they must never change.
func TestIDsAreStable(t *testing.T) {
	if got := pinfold.APIID("000000000000", "us-east-1", "hello", "dev", pinfold.HTTPAPI); len(got) != 10 || got != strings.ToLower(got) {
		t.Errorf("API id %q is not 10 lower-case characters", got)
	}
	const want = "aebha2ybf2"
	if got := pinfold.APIID("000000000000", "us-east-1", "hello", "dev", pinfold.HTTPAPI); got != want {
		t.Errorf("the API id of hello is %q, it has been %q", got, want)
	}
}
