package protocol_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// shop is a service made up to hold one of everything.
type shopAPI interface {
	PutItem(context.Context, *putItem) (*item, error)
	GetPhoto(context.Context, *getPhoto) (*photo, error)
	Drop(context.Context, *getPhoto) (*protocol.Empty, error)
}

type putItem struct {
	Name  *string           `aws:"Name,uri,required,shape=Name"`
	Kind  *string           `aws:"kind,query,shape=Kind"`
	Since *time.Time        `aws:"X-Since,header"`
	Tags  []tag             `aws:"Tags,shape=Tags"`
	Sizes []int64           `aws:"Sizes,shape=Sizes"`
	Env   map[string]string `aws:"Env,shape=Env"`
	Data  []byte            `aws:"Data,shape=Data"`
	Price *float64          `aws:"Price"`
	Count *int64            `aws:"Count,shape=Count"`
	Sold  *bool             `aws:"Sold"`
	Made  *time.Time        `aws:"Made,shape=Made"`
	Inner *inner            `aws:"Inner"`
}

type tag struct {
	Key   *string `aws:"Key,required,shape=Name"`
	Value *string `aws:"Value"`
}

type inner struct {
	Self  *inner          `aws:"Self"`
	Codes []string        `aws:"Code,flattened,shape=Codes"`
	Free  json.RawMessage `aws:"Free"`
}

type item struct {
	Status *int64            `aws:"Status,status"`
	Tag    *string           `aws:"ETag,header"`
	Name   *string           `aws:"Name"`
	Tags   []tag             `aws:"Tags"`
	Codes  []string          `aws:"Code,flattened,shape=Codes"`
	Env    map[string]string `aws:"Env,shape=Env"`
	Data   []byte            `aws:"Data"`
	Price  *float64          `aws:"Price"`
	Made   *time.Time        `aws:"Made"`
}

type getPhoto struct {
	Key   *string `aws:"Key,uri,required"`
	Range []byte  `aws:"Body,payload"`
}

type photo struct {
	Meta map[string]string `aws:"X-Meta-,headers"`
	Body []byte            `aws:"Body,payload"`
}

func shopModel(p protocol.Protocol) *protocol.Service {
	return &protocol.Service{
		Name: "shop", Title: "Amazon Shop", Protocol: p, Version: "2020-01-01", Target: "Shop", Namespace: "https://shop/doc/",
		Operations: []protocol.Operation{
			protocol.Op(protocol.Route{Name: "PutItem", Method: "POST", URI: "/items/{Name}"}, 201, shopAPI.PutItem),
			protocol.Op(protocol.Route{Name: "GetPhoto", Method: "PUT", URI: "/photos/{Key+}"}, 200, shopAPI.GetPhoto),
			protocol.Op(protocol.Route{Name: "Drop", Method: "DELETE", URI: "/photos/{Key+}"}, 204, shopAPI.Drop),
		},
		Unserved: []protocol.Route{{Name: "SellItem", Method: "POST", URI: "/items/{Name}/sell"}},
		Errors: []protocol.ErrorShape{
			{Name: "NoSuchItemException", Code: "NoSuchItem", Status: 404, Members: []string{"Message", "Type"}},
			{Name: "TooBusyException", Status: 429, Members: []string{"Reason", "Type", "message"}},
		},
		Shapes: map[string]protocol.Shape{
			"Name":  {Limits: "2..8", Pattern: `(?!^[0-9]+$)([a-zA-Z0-9-_]+)`},
			"Kind":  {Enum: []string{"new", "used"}},
			"Tags":  {Limits: "..2"},
			"Sizes": {Item: "Size"},
			"Size":  {Limits: "1..10"},
			"Env":   {Key: "EnvName", Item: "EnvValue"},
			"EnvName": {
				Pattern: `[a-zA-Z]([a-zA-Z0-9_])+`,
			},
			"EnvValue": {Limits: "0..5"},
			"Data":     {Limits: "..4"},
			"Count":    {Limits: "1..900"},
			"Codes":    {ItemName: "Code"},
			"Made":     {Time: "iso8601"},
		},
	}
}

// shop keeps what it was asked and answers what it is told to.
type shop struct {
	got   any
	item  *item
	photo *photo
	err   error
}

func (s *shop) PutItem(_ context.Context, in *putItem) (*item, error) {
	s.got = in
	return s.item, s.err
}

func (s *shop) GetPhoto(_ context.Context, in *getPhoto) (*photo, error) {
	s.got = in
	return s.photo, s.err
}

func (s *shop) Drop(_ context.Context, in *getPhoto) (*protocol.Empty, error) {
	s.got = in
	return &protocol.Empty{}, s.err
}

func allow(context.Context, string, any) error { return nil }

func newServer(t *testing.T, model *protocol.Service, impl any, authorize func(context.Context, string, any) error) *protocol.Server {
	t.Helper()
	s, err := protocol.NewServer(model, impl, protocol.Options{
		Authorize: authorize,
		Errors:    map[pinfold.Code]string{pinfold.NotFound: "NoSuchItemException", pinfold.Throttled: "TooBusyException"},
		Log:       slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// do sends a raw request, the head with \n line ends, and returns the raw answer.
func do(t *testing.T, s *protocol.Server, raw string) string {
	t.Helper()
	head, body, _ := strings.Cut(raw, "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\nHost: x\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.Serve(w, r.WithContext(protocol.WithCaller(t.Context(), &protocol.Caller{RequestID: "the-id"})), []byte(body))
	var b strings.Builder
	b.WriteString(http.StatusText(w.Code) + "\n")
	_ = w.Result().Header.Write(&b)
	return strings.ReplaceAll(b.String(), "\r\n", "\n") + "\n" + w.Body.String()
}

func at(s string) *time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return &t
}

func fullItem() *putItem {
	return &putItem{
		Name: new("chair"), Kind: new("used"), Since: at("2015-01-01T00:00:00Z"),
		Tags:  []tag{{Key: new("color"), Value: new("red & \"blue\"")}, {Key: new("no-value")}},
		Sizes: []int64{1, 10}, Env: map[string]string{"AB": "x", "CD": ""},
		Data: []byte{0, 1, 0xff}, Price: new(1.5), Count: new(int64(900)), Sold: new(true), Made: at("2020-02-29T12:00:00.5Z"),
		Inner: &inner{Codes: []string{"a", "b"}, Self: &inner{}},
	}
}

func TestDecodeGolden(t *testing.T) {
	withoutBindings := func() *putItem { i := fullItem(); i.Since = nil; return i }
	asDocument := fullItem()
	asDocument.Inner.Free = json.RawMessage(`{"a": [1, null]}`)
	for name, tt := range map[string]struct {
		protocol protocol.Protocol
		request  string
		want     any
	}{
		"json 1.0": {protocol.JSON10, `POST / HTTP/1.1
X-Amz-Target: Shop.PutItem

{"Name":"chair","kind":"used","Tags":[{"Key":"color","Value":"red \u0026 \"blue\""},null,{"Key":"no-value","Value":null}],
"Sizes":[1,1e1],"Env":{"AB":"x","CD":"","EF":null},"Data":"AAH\/","Price":1.5,"Count":900.0,"Sold":true,
"Made":1582977600.5,"Inner":{"Code":["a","b"],"Self":{},"unknown":[{}]}}`, withoutBindings()},
		"json 1.1": {protocol.JSON11, `POST / HTTP/1.1
X-Amz-Target: Shop_20200101.PutItem

{"Name":"chair","kind":"used","Tags":[{"Key":"color","Value":"red & \"blue\""},{"Key":"no-value"}],"Sizes":[1,10],
"Env":{"AB":"x","CD":""},"Data":"AAH/","Price":1.5,"Count":900,"Sold":true,"Made":"2020-02-29T12:00:00.500Z","Inner":{"Code":["a","b"],"Self":{}}}`, withoutBindings()},
		"rest-json": {protocol.RESTJSON, `POST /items/chair?kind=used HTTP/1.1
X-Since: Thu, 01 Jan 2015 00:00:00 GMT

{"Tags":[{"Key":"color","Value":"red & \"blue\""},{"Key":"no-value"}],"Sizes":[1,10],"Env":{"AB":"x","CD":""},
"Data":"AAH/","Price":1.5,"Count":900,"Sold":true,"Made":1582977600.5,"Inner":{"Code":["a","b"],"Self":{},"Free":{"a": [1, null]}}}`, asDocument},
		"rest-xml": {protocol.RESTXML, `POST /items/chair?kind=used HTTP/1.1
X-Since: Thu, 01 Jan 2015 00:00:00 GMT

<?xml version="1.0"?>
<PutItemRequest xmlns="https://shop/doc/"><Tags><member><Key>color</Key><Value>red &amp; "blue"</Value></member>
<member><Key>no-value</Key></member></Tags><Sizes><member>1</member><member> 10 </member></Sizes>
<Env><entry><key>AB</key><value>x</value></entry><entry><key>CD</key><value/></entry></Env><Data>AAH/</Data><Price>1.5</Price>
<Count>900</Count><Sold>true</Sold><Made>2020-02-29T12:00:00.500Z</Made><Inner><Code>a</Code><Self></Self><Code>b</Code></Inner></PutItemRequest>`, fullItem()},
		"query": {protocol.Query, `POST / HTTP/1.1

Action=PutItem&Version=2020-01-01&Name=chair&kind=used&Tags.member.1.Key=color&Tags.member.1.Value=red+%26+%22blue%22&Tags.member.2.Key=no-value` +
			`&Sizes.member.1=1&Sizes.member.3=10&Env.entry.1.key=AB&Env.entry.1.value=x&Env.entry.2.key=CD&Env.entry.2.value=&Data=AAH%2F&Price=1.5&Count=900` +
			`&Sold=true&Made=2020-02-29T12%3A00%3A00.500Z&Inner.Code.1=a&Inner.Code.2=b&Inner.Self.x=`, withoutBindings()},
		"greedy label and blob": {protocol.RESTXML, "PUT /photos/2020/a%2Fb%20c/ HTTP/1.1\n\n\x00not json", &getPhoto{Key: new("2020/a/b c/"), Range: []byte("\x00not json")}},
		"empty body":            {protocol.RESTJSON, "POST /items/chair/ HTTP/1.1\n\n", &putItem{Name: new("chair")}},
	} {
		t.Run(name, func(t *testing.T) {
			impl := &shop{item: &item{}, photo: &photo{}}
			answer := do(t, newServer(t, shopModel(tt.protocol), impl, allow), tt.request)
			if diff := cmp.Diff(tt.want, impl.got); diff != "" {
				t.Errorf("decoded (-want +got):\n%s\nanswer: %s", diff, answer)
			}
		})
	}
}

func TestEncodeGolden(t *testing.T) {
	out := &item{
		Tag: new("t"), Name: new("<chair>\x01\xff"), Tags: []tag{{Key: new("k")}, {}}, Codes: []string{"a", "b"},
		Env: map[string]string{"B": "2", "A": "1"}, Data: []byte{0, 1, 0xff}, Price: new(1e21), Made: at("2020-02-29T12:00:00.5Z"),
	}
	const (
		byTarget = "POST / HTTP/1.1\nX-Amz-Target: Shop.PutItem\n\n{\"Name\":\"chair\"}"
		byPath   = "POST /items/chair HTTP/1.1\n\n"
		byAction = "POST / HTTP/1.1\n\nAction=PutItem&Name=chair"

		jsonBody = `"Name":"<chair>\u0001�","Tags":[{"Key":"k"},{}],"Code":["a","b"],"Env":{"A":"1","B":"2"},` +
			`"Data":"AAH/","Price":1e+21,"Made":1582977600.500}`
		xmlBody = `<Name>&lt;chair&gt;��</Name><Tags><member><Key>k</Key></member><member></member></Tags><Code>a</Code><Code>b</Code>` +
			`<Env><entry><key>A</key><value>1</value></entry><entry><key>B</key><value>2</value></entry></Env>` +
			`<Data>AAH/</Data><Price>1e+21</Price><Made>2020-02-29T12:00:00.500Z</Made>`
	)
	for name, tt := range map[string]struct {
		protocol          protocol.Protocol
		request           string
		wantHead, wantDoc string
	}{
		"json 1.0":  {protocol.JSON10, byTarget, "Content-Type: application/x-amz-json-1.0\n", `{"ETag":"t",` + jsonBody},
		"json 1.1":  {protocol.JSON11, byTarget, "Content-Type: application/x-amz-json-1.1\n", `{"ETag":"t",` + jsonBody},
		"rest-json": {protocol.RESTJSON, byPath, "Content-Type: application/json\nEtag: t\n", "{" + jsonBody},
		"rest-xml": {
			protocol.RESTXML, byPath, "Content-Type: application/xml\nEtag: t\n",
			`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<PutItemResult xmlns="https://shop/doc/">` + xmlBody + "</PutItemResult>",
		},
		"query": {
			protocol.Query, byAction, "Content-Type: text/xml\n",
			`<PutItemResponse xmlns="https://shop/doc/"><PutItemResult><ETag>t</ETag>` + xmlBody +
				`</PutItemResult><ResponseMetadata><RequestId>the-id</RequestId></ResponseMetadata></PutItemResponse>`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := do(t, newServer(t, shopModel(tt.protocol), &shop{item: out}, allow), tt.request)
			want := fmt.Sprintf("Created\nContent-Length: %d\n%sX-Amzn-Requestid: the-id\n\n%s", len(tt.wantDoc), tt.wantHead, tt.wantDoc)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeShapesOfAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		protocol      protocol.Protocol
		request, want string
	}{
		"payload and header map": {
			protocol.RESTJSON, "PUT /photos/x HTTP/1.1\n\n",
			"OK\nContent-Length: 7\nContent-Type: application/json\nX-Amzn-Requestid: the-id\nX-Meta-Color: red\nX-Meta-Note: =?UTF-8?B?YQ1i?=\n\n{\"raw\":",
		},
		"no content":        {protocol.RESTXML, "DELETE /photos/x HTTP/1.1\n\n", "No Content\nX-Amzn-Requestid: the-id\n\n"},
		"status of output":  {protocol.RESTJSON, "POST /items/chair HTTP/1.1\n\n", "Accepted\nContent-Length: 2\nContent-Type: application/json\nX-Amzn-Requestid: the-id\n\n{}"},
		"no output in json": {protocol.JSON10, "POST / HTTP/1.1\nX-Amz-Target: S.Drop\n\n{\"Key\":\"x\"}", "No Content\nX-Amzn-Requestid: the-id\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			impl := &shop{item: &item{Status: new(int64(202))}, photo: &photo{Body: []byte(`{"raw":`), Meta: map[string]string{"color": "red", "note": "a\rb"}}}
			got := do(t, newServer(t, shopModel(tt.protocol), impl, allow), tt.request)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}
