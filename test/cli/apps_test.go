package cli_test

import (
	"crypto/rand"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"pinfold.dev/pinfold/platformtest"
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

// waiter is an application whose function says when it has begun, and answers
// once it is released.
type waiter struct{ dir, function string }

func newWaiter(t *testing.T) waiter {
	t.Helper()
	name := "waiter-" + strings.ToLower(rand.Text()) // nobody else's processes are released
	return waiter{function: name + "-dev-wait", dir: write(t, t.TempDir(), map[string]string{
		"serverless.yml": "service: " + name + `
provider: {name: aws, runtime: nodejs, timeout: 60}
functions:
  wait:
    handler: wait.handler
    environment: {NODE_OPTIONS: --no-deprecation} # so it starts with its environment, which says whose it is
    events:
      - httpApi: GET /wait
`,
		"wait.js": `exports.handler = () => new Promise((done) => {
  process.once("SIGUSR2", () => done("released"));
  setTimeout(() => done("never released"), 59_000); // a signal alone keeps no runtime up
  console.log("begun as process", process.pid);
});
`,
	})}
}

// release releases the function from outside, through whatever walls there are.
// pid is its process as it sees it itself, which on systems without walls is
// what everyone sees.
func (w waiter) release(t *testing.T, pid string) {
	t.Helper()
	pids := platformtest.Processes(t, w.function)
	if runtime.GOOS != "linux" {
		n, err := strconv.Atoi(pid)
		if err != nil {
			t.Fatal(err)
		}
		pids = []int{n}
	}
	if len(pids) != 1 {
		t.Errorf("the function runs as processes %v, want one", pids)
	}
	for _, n := range pids {
		if err := syscall.Kill(n, syscall.SIGUSR2); err != nil {
			t.Error(err)
		}
	}
}
