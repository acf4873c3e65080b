package runtimes

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// A runtime that works on after its answer keeps no invocation waiting that
// another instance could serve, and is used again once it asks for more.
func TestRuntimeThatLingers(t *testing.T) { behind(t, testRuntimeThatLingers) }

func testRuntimeThatLingers(t *testing.T, w walls) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	l := newLab(t, w)
	in := l.launch(l.version("provided.al2023", "x", map[string]string{"bootstrap+": `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  id=$(curl -sS -D - -o /dev/null "$api/next" | tr -d '\r' | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //Ip')
  curl -sS -o /dev/null "$api/$id/response" -d '"done"'
  while [ ! -e "$LAMBDA_TASK_ROOT/go" ]; do sleep .01; done
done
`}))
	invoke := func() (*pinfold.Result, error) {
		return in.Invoke(t.Context(), &pinfold.Invocation{ID: testID, Payload: []byte("{}"), Function: in.version.Ref})
	}
	if res, err := invoke(); err != nil || string(res.Payload) != `"done"` {
		t.Fatalf("%+v, %v", res, err)
	}
	if _, err := invoke(); pinfold.ReasonOf(err) != "InstanceGone" {
		t.Errorf("an instance that works on says %v, want that another one should serve", err)
	}
	if !in.Lingers() || !in.Reusable() {
		t.Errorf("lingers: %v, reusable: %v; want both", in.Lingers(), in.Reusable())
	}
	if err := os.WriteFile(filepath.Join(in.version.Code.SHA256, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); in.Lingers(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the runtime asks for more, but the instance still lingers")
		}
	}
	if res, err := invoke(); err != nil || string(res.Payload) != `"done"` {
		t.Errorf("once it is done: %+v, %v", res, err)
	}
}
