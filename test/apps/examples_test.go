package apps_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image/png"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
	"pinfold.dev/pinfold/platformtest"
)

// TestExamples deploys applications of the shapes that public collections have,
// all to one platform, and calls each.
func TestExamples(t *testing.T) {
	p := platformtest.Start(t)
	for _, tt := range []struct {
		dir string
		try func(*testing.T, *deployed)
	}{
		{"simple-endpoints", simpleEndpoints},
		{"multiple-runtimes", multipleRuntimes},
		{"webhook-with-cors", webhook},
		{"layers", layers},
		{"packaging", packaging},
		{"python-rest-api", pythonREST},
		{"http-api-catch-all", catchAll},
		{"scheduled-cron", cron},
		{"split-files", splitFiles},
		{"custom-authorizer", customAuthorizer},
		{"dynamic-binary", dynamicBinary},
		{"streaming", streaming},
		{"esm-build", esmBuild},
	} {
		t.Run(tt.dir, func(t *testing.T) {
			tt.try(t, deploy(t, p, filepath.Join("examples", tt.dir), serverless.Options{}))
		})
	}
}

func simpleEndpoints(t *testing.T, d *deployed) {
	d.unserved(t)
	for route, resource := range map[string]string{"GET /ping": "/ping", "GET /time": "/time"} {
		a := get(t, d.at(t, route)).is(200)
		var got struct{ Resource, Message string }
		if err := json.Unmarshal(a.body, &got); err != nil || got.Resource != resource || !strings.HasPrefix(got.Message, "It is ") {
			a.errorf("it is %+v", got)
		}
	}
	page := d.at(t, "GET /landing-page")
	get(t, page).is(200).has("Content-Type", "text/html; charset=utf-8").says("<html><body><h1>Welcome, stranger</h1></body></html>")
	get(t, page+"?name=J%C3%BCrgen+M").is(200).says("<html><body><h1>Welcome, Jürgen M</h1></body></html>")
	post(t, page, "text/plain", "x").is(403).json(`{"message": "Missing Authentication Token"}`)
	post(t, d.at(t, "POST /forms/contact"), "text/plain", "hi").is(303).has("Location", "/thanks/contact").says("")
	post(t, d.at(t, "POST /forms/contact"), "text/plain", "").is(400).says("nothing was sent")
	post(t, d.at(t, "POST /forms/{form}/again")+"order/again", "text/plain", "hi").is(303).has("Location", "/thanks/order")
}

func multipleRuntimes(t *testing.T, d *deployed) {
	get(t, d.at(t, "GET /greet")).is(200).has("Content-Type", "application/json").
		json(`{"greeting": "hello", "language": "cpython", "runtime": "multiple-runtimes-dev-hello"}`)
	a := get(t, d.at(t, "GET /time")).is(200).has("Content-Type", "text/plain")
	if len(a.body) != 13 {
		a.errorf("it is no time in milliseconds")
	}
}

func webhook(t *testing.T, d *deployed) {
	url := d.at(t, "POST /webhook")
	const body = `{"action": "opened", "title": "Größe"}`
	mac := hmac.New(sha1.New, []byte("well kept"))
	mac.Write([]byte(body))
	signed := http.Header{"Content-Type": {"application/json"}, "X-GitHub-Event": {"issues"}, "X-Hub-Signature": {"sha1=" + hex.EncodeToString(mac.Sum(nil))}}
	call{method: "POST", url: url, header: signed, body: body}.do(t).is(200).json(`{"kind": "issues", "action": "opened"}`).has("Access-Control-Allow-Origin", "*")
	call{method: "POST", url: url, header: signed, body: body + " "}.do(t).is(401).says("the signature is wrong")
	signed.Del("X-Hub-Signature")
	call{method: "POST", url: url, header: signed, body: body}.do(t).is(401).says("there is no signature")

	preflight := http.Header{"Origin": {"https://two.example"}, "Access-Control-Request-Method": {"GET"}}
	a := call{method: "OPTIONS", url: url, header: preflight}.do(t)
	if a.status != 200 && a.status != 204 || a.header.Get("Access-Control-Allow-Origin") == "" || a.header.Get("Access-Control-Allow-Credentials") != "true" {
		a.errorf("the preflight is refused")
	}
	for _, word := range []string{"OPTIONS", "POST", "GET"} {
		if !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), word) {
			a.errorf("%s is not allowed", word)
		}
	}
	if !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "X-Hub-Signature") {
		a.errorf("X-Hub-Signature is not allowed")
	}
}

func layers(t *testing.T, d *deployed) {
	d.unserved(t, "event s3 of function mkgif")
	post(t, d.at(t, "POST /gifs"), "text/plain", "lamb").is(200).
		json(`{"out": "converted lamb", "name": "lamb.gif", "found": true, "packed": false}`)
	get(t, d.at(t, "GET /report")).is(200).says("report.py")
}

func packaging(t *testing.T, d *deployed) {
	get(t, d.at(t, "GET /users")).is(200).json(`["shared/list.js", "shared/secret.txt", "users/index.js", "users/templates/mail.txt"]`)
	get(t, d.at(t, "GET /orders")).is(200).json(`["orders/index.mjs", "orders/lib.mjs", "shared/list.js"]`)
}

func pythonREST(t *testing.T, d *deployed) {
	d.unserved(t, "AWS::DynamoDB::Table TodosDynamoDbTable")
	a := post(t, d.at(t, "POST /todos"), "application/json", `{"text": "shear the sheep"}`).is(200)
	var todo struct{ ID, Text, Table string }
	if err := json.Unmarshal(a.body, &todo); err != nil || todo.Text != "shear the sheep" || todo.Table != "python-rest-api-dev" || len(todo.ID) != 36 {
		a.errorf("it is %+v", todo)
	}
	post(t, d.at(t, "POST /todos"), "application/json", `{}`).is(502).json(`{"message": "Internal server error"}`)
	if got := invoke(t, d.p, "python-rest-api-dev-create", `{"body": "{}"}`); !strings.Contains(got, `"errorMessage": "Couldn't create the todo item."`) {
		t.Errorf("the error is %s", got)
	}
	get(t, d.at(t, "GET /todos")).is(200).json(`[{"id": 1}]`).has("Access-Control-Allow-Origin", "*")
	get(t, d.at(t, "GET /todos/{id}")+"12").is(200).json(`{"id": "12", "resource": "/todos/{id}"}`)
	call{method: "DELETE", url: d.at(t, "DELETE /todos/{id}") + "12"}.do(t).is(204).says("")
	call{method: "PUT", url: d.at(t, "DELETE /todos/{id}") + "12"}.do(t).is(403)
}

func catchAll(t *testing.T, d *deployed) {
	d.unserved(t, "AWS::DynamoDB::Table UsersTable", "AWS::S3::Bucket Uploads")
	base := strings.TrimSuffix(d.at(t, "ANY $default"), "/")
	get(t, base+"/").is(200).json(`{"USERS_TABLE": "users-table-dev", "UPLOADS": "uploads-of-http-api-catch-all",
		"TABLE_ARN": "arn:aws:dynamodb:` + d.p.Region + `:` + d.p.Account + `:table/users-table-dev",
		"TABLE_URL": "https://dynamodb.` + d.p.Region + `.amazonaws.com/users-table-dev"}`)
	call{method: "PATCH", url: base + "/users//7/"}.do(t).is(404).json(`{"error": "Not Found", "method": "PATCH", "path": "/users//7/"}`)
}

func cron(t *testing.T, d *deployed) {
	d.unserved(t)
	if len(d.Routes) != 0 || len(d.Functions) != 2 {
		t.Errorf("it is %+v", d.Deployed)
	}
	event := []byte(`{"source": "aws.events", "detail-type": "Scheduled Event", "time": "2030-01-02T03:04:05Z"}`)
	result, err := d.p.Client.Invoke(t.Context(), "scheduled-cron-example-dev-secondCron", event, true)
	if err != nil || result.FunctionError != "" || string(result.Payload) != "null" {
		t.Fatalf("%+v, %v", result, err)
	}
	if want := `Your cron function "scheduled-cron-example-dev-secondCron" ran at 2030-01-02T03:04:05.000Z`; !strings.Contains(string(result.LogTail), want) {
		t.Errorf("%q is not in the log: %s", want, result.LogTail)
	}
}

func splitFiles(t *testing.T, d *deployed) {
	get(t, d.at(t, "GET /")).is(200).json(`{"SECRET": "session key of dev", "PUBLIC_KEY": "-----BEGIN PUBLIC KEY-----\nnot really one\n-----END PUBLIC KEY-----\n",
		"TOKEN": "no token", "FROM_DOTENV": "mauve", "PERMISSIONS": "read,write"}`)
	get(t, d.at(t, "GET /list")).is(200).json(`{"left": 5, "dotenv": false}`)
	if len(d.Outputs) != 2 || d.Outputs[0].Name != "ApiId" || d.Outputs[0].Value == "" || d.Outputs[1].Value != arnOf(t, d, "split-files-dev-settings") {
		t.Errorf("outputs are %+v", d.Outputs)
	}
}

func arnOf(t *testing.T, d *deployed, name string) string {
	t.Helper()
	for _, f := range d.Functions {
		if f.Name == name {
			return f.ARN
		}
	}
	t.Fatalf("there is no function %s in %+v", name, d.Functions)
	return ""
}

func customAuthorizer(t *testing.T, d *deployed) {
	post(t, d.at(t, "POST /api/public"), "text/plain", "").is(200).json(`{"message": "Hi from Public API"}`).has("Access-Control-Allow-Credentials", "true")
	private := strings.Replace(d.at(t, "POST /api/public"), "public", "private", 1)
	a := post(t, private, "text/plain", "")
	if a.status < 400 || strings.Contains(string(a.body), "logged in") {
		a.errorf("a guarded route is open")
	}
	d.warns(t, "/api/private")
}

func dynamicBinary(t *testing.T, d *deployed) {
	a := call{url: d.at(t, "GET /image") + "?size=7&colour=ff0000", header: http.Header{"Accept": {"image/png"}}}.do(t).is(200).has("Content-Type", "image/png")
	img, err := png.Decode(bytes.NewReader(a.body))
	if err != nil {
		a.errorf("%v", err)
		return
	}
	if r, g, _, _ := img.At(6, 6).RGBA(); img.Bounds().Dx() != 7 || r>>8 != 0xff || g != 0 {
		t.Errorf("the image is %v with %v", img.Bounds(), img.At(6, 6))
	}
	// Bytes are for who accepts them: AWS looks at the first type of Accept alone.
	text := call{url: d.at(t, "GET /image"), header: http.Header{"Accept": {"text/html, image/png"}}}.do(t).is(200)
	if !strings.HasPrefix(string(text.body), "iVBORw0KGgo") {
		text.errorf("it is not base64")
	}
	d.warns(t, "GET /mapped")
	get(t, strings.Replace(d.at(t, "GET /image"), "image", "mapped", 1)).is(403)
}

func streaming(t *testing.T, d *deployed) {
	a := call{url: d.Functions[0].URL + "?topic=wool", header: http.Header{"Origin": {"https://shop.example"}}}.do(t).is(206)
	a.says("data: wool 1\n\ndata: wool 2\n\ndata: wool 3\n\n").has("Content-Type", "text/event-stream").has("X-Feed", "yes").has("Set-Cookie", "seen=1").
		has("Access-Control-Allow-Origin", "https://shop.example")
}

func esmBuild(t *testing.T, d *deployed) {
	get(t, d.at(t, "GET /time")).is(200).json(`{"started": "loaded", "time": true, "commonjs": "undefined"}`)
}

// TestStages deploys one application in two stages next to each other.
func TestStages(t *testing.T) {
	p := platformtest.Start(t)
	t.Setenv("STAGES_FLAG", "1")
	deploy(t, p, "examples/stages", serverless.Options{})
	prod := deploy(t, p, "examples/stages", serverless.Options{Stage: "prod", Params: map[string]string{"key": "the-key-of-production"}})
	// The address without a name is for the only application, so take the URLs of two.
	dev := deploy(t, p, "examples/stages", serverless.Options{})
	get(t, dev.at(t, "GET /show")).is(200).has("X-Path", "/dev/show").json(`{"DOMAIN": "dev.example.com", "DEBUG": "true", "NAME": "second", "ITERATIONS": "4096",
		"FLAG": "true", "PASSWORD_LENGTH": "256", "account": true, "stage": "dev", "memory": "256", "name": "stages-show-in-dev"}`)
	get(t, prod.at(t, "GET /show")).is(200).has("X-Path", "/prod/show").json(`{"DOMAIN": "example.com", "DEBUG": "false", "NAME": "second", "ITERATIONS": "4096",
		"FLAG": "true", "PASSWORD_LENGTH": "256", "account": true, "stage": "prod", "memory": "1024", "name": "stages-show-in-prod"}`)

	private := prod.at(t, "GET /partners")
	get(t, private).is(403).json(`{"message": "Forbidden"}`)
	call{url: private, header: http.Header{"X-Api-Key": {"a-key-of-twenty-characters"}}}.do(t).is(403)
	call{url: private, header: http.Header{"X-Api-Key": {"the-key-of-production"}}}.do(t).is(200)
	call{url: dev.at(t, "GET /partners"), header: http.Header{"X-Api-Key": {"a-key-of-twenty-characters"}}}.do(t).is(200)
}

// TestServices deploys two services of which one calls the other.
func TestServices(t *testing.T) {
	p := platformtest.Start(t)
	users := deploy(t, p, "examples/two-services/users", serverless.Options{})
	// Not every resolver knows names below localhost, so programs take the path.
	url := p.Endpoints.HTTP + "/_aws/execute-api/" + users.read.APIs[0].ID + "/$default"
	orders := deploy(t, p, "examples/two-services/orders", serverless.Options{Params: map[string]string{"usersApi": url}})
	post(t, strings.Replace(orders.at(t, "POST /users/{user}/orders"), "/users/", "/users/7/orders", 1), "application/json", `{"item": "fence"}`).
		is(201).json(`{"for": "user 7", "item": "fence"}`)
	post(t, strings.Replace(orders.at(t, "POST /users/{user}/orders"), "/users/", "/users/0/orders", 1), "application/json", `{"item": "fence"}`).
		is(424).json(`{"users": 404, "said": "nobody"}`)
}

// TestPluginHandler reads an application whose handler a plugin would make, and
// holds the answer to saying so.
func TestPluginHandler(t *testing.T) {
	p := platformtest.Start(t)
	_, err := p.TryDeploy(t.Context(), t.TempDir(), "examples/flask-plugin")
	problems, ok := errors.AsType[app.Problems](err)
	if !ok || len(problems) != 1 {
		t.Fatalf("it is %v", err)
	}
	for _, text := range []string{"serverless.yml:16", "wsgi_handler.py", "the plugin serverless-wsgi would make it", "npx serverless package"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q is not said in: %v", text, err)
		}
	}
}
