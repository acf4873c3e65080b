package apps_test

import (
	"os/exec"
	"testing"

	"pinfold.dev/pinfold/platformtest"
)

// The platform's URLs are the same inside a function as outside: its own HTTP
// API, a neighbour's function URL, and the API that the SDKs are told about.
func TestURLsInside(t *testing.T) {
	d := platformtest.Start(t).Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": `service: inside
provider: {name: aws, runtime: nodejs20.x, timeout: 20}
functions:
  ask:
    handler: ask.handler
    events: [httpApi: POST /ask]
  tell:
    handler: tell.handler
    url: true
    events: [httpApi: GET /tell]
`,
		"ask.js": `exports.handler = async (event) => {
  const urls = JSON.parse(event.body);
  const answers = await Promise.all(urls.map((url) => fetch(url.replace(/[^/]*\.localhost/, "127.0.0.1"), { headers: { host: new URL(url).host } }).then((r) => r.text())));
  const api = await fetch(process.env.AWS_ENDPOINT_URL + "/2015-03-31/functions/inside-dev-tell/invocations", { method: "POST", body: "{}" });
  return { answers, unsigned: api.status };
};
`,
		"tell.js": `exports.handler = async (event) => "told by " + event.rawPath;
`,
	}))
	ask := urlOf(t, d, "POST", "/ask")
	post(t, ask, "application/json", `["`+urlOf(t, d, "GET", "/tell")+`"]`).is(200).json(`{"answers": ["told by /tell"], "unsigned": 403}`)
}

// TestBoto3Inside has a function call another one with the SDK for Python that
// this machine has, told nothing but what its environment says.
func TestBoto3Inside(t *testing.T) {
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("no boto3 for python3: run test/setup.sh")
	}
	p := platformtest.Start(t)
	p.Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": `service: snakes
provider: {name: aws, runtime: python3.11, timeout: 60, memorySize: 1769}
functions:
  order: {handler: app.order}
  stock: {handler: app.stock}
`,
		"app.py": `import json
import boto3

def order(event, context):
    answer = boto3.client("lambda").invoke(FunctionName="snakes-dev-stock", Payload=json.dumps(event))
    who = boto3.client("sts").get_caller_identity()["Account"]
    return [json.load(answer["Payload"]), answer["ExecutedVersion"], who]

def stock(event, context):
    return {"reserved": event["count"], "by": context.function_name}
`,
	}))
	if got, want := invoke(t, p, "snakes-dev-order", `{"count": 2}`), `[{"reserved": 2, "by": "snakes-dev-stock"}, "$LATEST", "`+p.Account+`"]`; got != want {
		t.Errorf("it answers %s, want %s", got, want)
	}
}
