package schedules

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold/client"
)

// saw waits until the function has written a text, and reports false if that is not in
// time.
func (h *house) saw(t *testing.T, text string, within time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for line, err := range h.p.Client.Logs(ctx, client.LogQuery{Functions: []string{"told"}, Follow: true, Tail: 100}) {
		if err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		if strings.Contains(line.Text, text) {
			return true
		}
	}
	return false
}

// run runs a program of AWS's with the platform's address and root key, and nothing of
// the user's settings.
func (h *house) run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "AWS_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	nowhere := filepath.Join(t.TempDir(), "none")
	cmd.Env = append(cmd.Env,
		"AWS_ACCESS_KEY_ID="+h.p.RootKey.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+h.p.RootKey.SecretAccessKey, "AWS_DEFAULT_REGION="+h.p.Region, "AWS_REGION="+h.p.Region,
		"AWS_MAX_ATTEMPTS=1", "AWS_PAGER=", "AWS_CONFIG_FILE="+nowhere, "AWS_SHARED_CREDENTIALS_FILE="+nowhere, "AWS_EC2_METADATA_DISABLED=true",
		"PINFOLD_API="+h.p.Endpoints.API, "PINFOLD_ACCOUNT="+h.p.Account, "PYTHONDONTWRITEBYTECODE=1",
	)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func testBoto3(t *testing.T, h *house) {
	if out, err := h.run(t, "python3", "testdata/test_schedules.py", "-v"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func testJavaScript(t *testing.T, h *house) {
	const dir = "../apps/js-schedules"
	if _, err := os.Stat(dir + "/node_modules"); err != nil {
		t.Fatalf("the SDK is not installed: run test/setup.sh (%v)", err)
	}
	if out, err := h.run(t, "node", "--test", dir+"/schedules.test.js"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func testCLI(t *testing.T, h *house) {
	aws := func(args string, more ...string) string {
		t.Helper()
		out, err := h.run(t, "aws", append(append([]string{"--endpoint-url", h.p.Endpoints.API, "--output", "json"}, strings.Fields(args)...), more...)...)
		if err != nil {
			t.Logf("aws %s: %v", args, err)
		}
		return out
	}
	url, arn := h.queue(t, "cli-sends")
	target := fmt.Sprintf(`{"Arn":%q,"RoleArn":%q,"Input":"from the command line"}`, arn, role)
	m, name, _ := h.sends(t, "cli", url, func(name, at string) {
		aws("scheduler create-schedule --flexible-time-window Mode=OFF --action-after-completion DELETE", "--name", name, "--schedule-expression", at, "--target", target)
	})
	if *m.Body != "from the command line" {
		t.Errorf("got %q", *m.Body)
	}
	gone(t, h, name)

	aws("events put-rule --name cli --tags Key=a,Value=b", "--schedule-expression", "rate(2 hours)")
	aws("events put-targets --rule cli", "--targets", "Id=1,Arn="+arn)
	var rule struct{ State, ScheduleExpression string }
	if err := json.Unmarshal([]byte(aws("events describe-rule --name cli")), &rule); err != nil || rule.State != "ENABLED" || rule.ScheduleExpression != "rate(2 hours)" {
		t.Errorf("%+v, %v", rule, err)
	}
	for args, says := range map[string]string{
		"events delete-rule --name cli":             "(ValidationException) when calling the DeleteRule operation: Rule can't be deleted since it has targets.",
		"scheduler get-schedule --name cli-none":    "(ResourceNotFoundException) when calling the GetSchedule operation: Schedule cli-none does not exist.",
		"events list-archives":                      "ListArchives of Amazon EventBridge",
		"events describe-event-bus --name cli-none": "(ResourceNotFoundException) when calling the DescribeEventBus operation: Event bus cli-none does not exist.",
	} {
		if out := aws(args); !strings.Contains(out, says) {
			t.Errorf("aws %s: %s", args, out)
		}
	}
}
