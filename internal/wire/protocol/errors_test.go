package protocol_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

func TestErrorGolden(t *testing.T) {
	missing := pinfold.Errorf(pinfold.NotFound, "no item <chair>")
	busy := pinfold.Errorf(pinfold.Throttled, "Rate Exceeded.").WithReason("CallerRateLimitExceeded")
	for name, tt := range map[string]struct {
		protocol protocol.Protocol
		err      error
		want     string
	}{
		"json 1.0":  {protocol.JSON10, missing, "Not Found\nContent-Type: application/x-amz-json-1.0\nX-Amzn-Requestid: the-id\n\n" + `{"__type":"NoSuchItemException","Message":"no item <chair>"}`},
		"rest-json": {protocol.RESTJSON, missing, "Not Found\nContent-Type: application/json\nX-Amzn-Errortype: NoSuchItemException\nX-Amzn-Requestid: the-id\n\n" + `{"Type":"User","Message":"no item <chair>"}`},
		"rest-xml": {protocol.RESTXML, missing, "Not Found\nContent-Type: application/xml\nX-Amzn-Requestid: the-id\n\n" +
			`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<ErrorResponse xmlns="https://shop/doc/"><Error><Type>Sender</Type><Code>NoSuchItem</Code><Message>no item &lt;chair&gt;</Message></Error><RequestId>the-id</RequestId></ErrorResponse>`},
		"reason": {protocol.RESTJSON, busy, "Too Many Requests\nContent-Type: application/json\nX-Amzn-Errortype: TooBusyException\nX-Amzn-Requestid: the-id\n\n" +
			`{"Reason":"CallerRateLimitExceeded","Type":"User","message":"Rate Exceeded."}`},
		"modelled by its name": {protocol.JSON11, pinfold.Errorf(pinfold.Invalid, "bad").WithReason("NoSuchItemException"), "Not Found\nContent-Type: application/x-amz-json-1.1\nX-Amzn-Requestid: the-id\n\n" + `{"__type":"NoSuchItemException","Message":"bad"}`},
		"our fault":            {protocol.JSON11, errors.New("disk on fire"), "Internal Server Error\nContent-Type: application/x-amz-json-1.1\nX-Amzn-Requestid: the-id\n\n" + `{"__type":"InternalFailure","message":"disk on fire"}`},
		"denied":               {protocol.RESTJSON, fmt.Errorf("wrapped: %w", pinfold.Errorf(pinfold.Denied, "no")), "Forbidden\nContent-Type: application/json\nX-Amzn-Errortype: AccessDeniedException\nX-Amzn-Requestid: the-id\n\n" + `{"message":"wrapped: no"}`},
	} {
		t.Run(name, func(t *testing.T) {
			request := "POST /items/chair HTTP/1.1\nX-Amz-Target: S.PutItem\n\n"
			if tt.protocol != protocol.RESTXML {
				request += `{"Name":"chair"}`
			}
			got := do(t, newServer(t, shopModel(tt.protocol), &shop{err: tt.err}, allow), request)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

// A service that once spoke query tells the old code in a header, S3 has its
// error bare, and a throttled client is told when to come back.
func TestErrorsOfSpecialServices(t *testing.T) {
	model := shopModel(protocol.JSON10)
	model.QueryCompatible = true
	missing := pinfold.Errorf(pinfold.NotFound, "no")
	got := do(t, newServer(t, model, &shop{err: missing}, allow), "POST / HTTP/1.1\nX-Amz-Target: S.PutItem\n\n{\"Name\":\"chair\"}")
	if !strings.Contains(got, "\nX-Amzn-Query-Error: NoSuchItem;Sender\n") || !strings.Contains(got, `"__type":"NoSuchItemException"`) {
		t.Error(got)
	}
	model = shopModel(protocol.RESTXML)
	model.BareErrors = true
	got = do(t, newServer(t, model, &shop{err: missing}, allow), "POST /items/chair HTTP/1.1\n\n")
	want := "<Error><Code>NoSuchItem</Code><Message>no</Message><Resource>/items/chair</Resource><RequestId>the-id</RequestId></Error>"
	if !strings.HasSuffix(got, want) || !strings.Contains(got, "\nX-Amz-Request-Id: the-id\n") {
		t.Error(got)
	}
	slow := &protocol.Error{Code: "TooBusyException", Status: 429, Message: "wait", Members: map[string]string{"retryAfterSeconds": "7"}}
	got = do(t, newServer(t, shopModel(protocol.RESTJSON), &shop{err: slow}, allow), "POST /items/chair HTTP/1.1\n\n")
	if !strings.Contains(got, "\nRetry-After: 7\n") || !strings.HasSuffix(got, `{"message":"wait"}`) {
		t.Error(got)
	}
}

func TestRefusals(t *testing.T) {
	post := func(body string) string { return "POST /items/chair HTTP/1.1\n\n" + body }
	for name, tt := range map[string]struct {
		protocol protocol.Protocol
		request  string
		status   string
		code     string
		message  string
	}{
		"not served":               {protocol.RESTJSON, "POST /items/x/sell HTTP/1.1\n\n", "Not Implemented", "NotImplementedException", "Pinfold does not serve SellItem of Amazon Shop yet: docs/served.md lists what it serves"},
		"not served, by action":    {protocol.Query, "POST / HTTP/1.1\n\nAction=SellItem", "Not Implemented", "NotImplemented", "Pinfold does not serve SellItem of Amazon Shop yet: docs/served.md lists what it serves"},
		"no such path":             {protocol.RESTJSON, "PATCH /items/x HTTP/1.1\n\n", "Not Found", "UnknownOperationException", "Amazon Shop has no operation at PATCH /items/x"},
		"no such action":           {protocol.Query, "POST / HTTP/1.1\n\nAction=Fly", "Bad Request", "InvalidAction", "Amazon Shop has no operation Fly, which the Action parameter names"},
		"no target":                {protocol.JSON10, "POST / HTTP/1.1\n\n{}", "Bad Request", "UnknownOperationException", "the X-Amz-Target header does not name an operation of Amazon Shop"},
		"broken JSON":              {protocol.JSON10, "POST / HTTP/1.1\nX-Amz-Target: S.PutItem\n\n{\"Name\":}", "Bad Request", "SerializationException", "Could not parse request body into json: invalid character '}' at start of value within \"/Name\" after offset 8"},
		"JSON that ends":           {protocol.RESTJSON, post(`{"Sizes":[1`), "Bad Request", "SerializationException", "Could not parse request body into json: unexpected EOF within \"/Sizes\" after offset 11"},
		"two JSON texts":           {protocol.RESTJSON, post(`{} {}`), "Bad Request", "SerializationException", "Could not parse request body into json: something follows the end of the JSON text at byte 4"},
		"a list for an object":     {protocol.RESTJSON, post(`[]`), "Bad Request", "SerializationException", "Could not parse request body into json: an object was expected, not a list"},
		"a string for a number":    {protocol.RESTJSON, post(`{"Inner":{"Self":{"Code":[1]}}}`), "Bad Request", "SerializationException", "Value at 'inner.self.codes.1' could not be read: a string was expected, not a number"},
		"half a number":            {protocol.RESTJSON, post(`{"Count":1.5}`), "Bad Request", "SerializationException", "Value at 'count' could not be read: a whole number was expected, not 1.5"},
		"not base64":               {protocol.RESTJSON, post(`{"Data":"*"}`), "Bad Request", "SerializationException", "Value at 'data' could not be read: it is not base64: illegal base64 data at input byte 0"},
		"broken XML":               {protocol.RESTXML, post(`<a><b></a>`), "Bad Request", "MalformedXML", "The request could not be read: XML syntax error on line 1: element <b> closed by </a>"},
		"XML with an entity":       {protocol.RESTXML, post(`<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`), "Bad Request", "MalformedXML", "The request could not be read: the XML document has a document type, which is not allowed"},
		"deep XML":                 {protocol.RESTXML, post(strings.Repeat("<a>", 100)), "Bad Request", "MalformedXML", "The request could not be read: the XML document is nested more than 64 deep"},
		"a list without positions": {protocol.Query, "POST / HTTP/1.1\n\nAction=PutItem&Name=chair&Tags.member.x.Key=a", "Bad Request", "MalformedInput", `Value at 'tags' could not be read: "x" is not a position in a list: they are 1, 2, 3 and so on`},
		"not a date":               {protocol.RESTJSON, "POST /items/chair HTTP/1.1\nX-Since: yesterday\n\n", "Bad Request", "SerializationException", `Value at 'since' could not be read: "yesterday" is not a timestamp`},
	} {
		t.Run(name, func(t *testing.T) {
			got := do(t, newServer(t, shopModel(tt.protocol), &shop{item: &item{}}, allow), tt.request)
			code, message := readError(t, got)
			if !strings.HasPrefix(got, tt.status+"\n") || code != tt.code || message != tt.message {
				t.Errorf("got %s %q\nwant %s %s %q", code, message, tt.status, tt.code, tt.message)
			}
		})
	}
}

// readError finds code and message in a raw answer of any protocol.
func readError(t *testing.T, raw string) (code, message string) {
	t.Helper()
	if strings.Contains(raw, "/xml\n") {
		var doc struct {
			Code    string `xml:"Error>Code"`
			Message string `xml:"Error>Message"`
		}
		if err := xml.Unmarshal([]byte(raw[strings.Index(raw, "\n\n"):]), &doc); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		return doc.Code, doc.Message
	}
	head, body, _ := strings.Cut(raw, "\n\n")
	var doc struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	if _, after, ok := strings.Cut(head, "X-Amzn-Errortype: "); ok {
		doc.Type, _, _ = strings.Cut(after, "\n")
	}
	return doc.Type, doc.Message
}

func TestAuthorizeStandsInTheWay(t *testing.T) {
	impl := &shop{item: &item{}}
	var asked string
	s := newServer(t, shopModel(protocol.RESTJSON), impl, func(_ context.Context, operation string, in any) error {
		asked = operation + " " + *in.(*putItem).Name
		return pinfold.Errorf(pinfold.Denied, "you may not")
	})
	code, message := readError(t, do(t, s, "POST /items/chair HTTP/1.1\n\n"))
	if code != "AccessDeniedException" || message != "you may not" || asked != "PutItem chair" || impl.got != nil {
		t.Errorf("got %s %q; asked for %q; the adapter saw %v", code, message, asked, impl.got)
	}
}
