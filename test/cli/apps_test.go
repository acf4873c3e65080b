package cli_test

import (
	"strings"
	"testing"
)

// greeter is a small application: a Node.js function that says WORD, and one
// that fails.
func greeter(t *testing.T, word string) string {
	t.Helper()
	return write(t, t.TempDir(), map[string]string{
		"serverless.yml": greeterManifest,
		"hello.js":       helloJS(word),
		"fail.js":        `exports.handler = async () => { throw new TypeError("on purpose"); };`,
	})
}

const greeterManifest = `service: greeter
provider:
  name: aws
  runtime: nodejs
  environment:
    STAGE: ${sls:stage}
    PLACE: ${param:place, 'here'}
package:
  individually: true
  patterns: ['!**']
functions:
  hello:
    handler: hello.handler
    package: {patterns: [hello.js]}
    events:
      - httpApi: GET /hello
  fail:
    handler: fail.handler
    package: {patterns: [fail.js]}
    events:
      - httpApi: GET /fail
`

func helloJS(word string) string {
	return strings.ReplaceAll(`exports.handler = async (event) => {
  console.log("saying WORD");
  return { said: "WORD", stage: process.env.STAGE, place: process.env.PLACE, event };
};
`, "WORD", word)
}

// waiter is an application whose function says when it has begun and answers
// once there is a file with the name that it is given.
func waiter(t *testing.T) string {
	t.Helper()
	return write(t, t.TempDir(), map[string]string{
		"serverless.yml": `service: waiter
provider: {name: aws, runtime: nodejs, timeout: 60}
functions:
  wait:
    handler: wait.handler
    events:
      - httpApi: GET /wait
`,
		"wait.js": `const fs = require("fs");
exports.handler = async (event) => {
  const file = event.file ?? event.queryStringParameters.file;
  console.log("begun");
  while (!fs.existsSync(file)) await new Promise((done) => setTimeout(done, 5));
  return "released";
};
`,
	})
}
