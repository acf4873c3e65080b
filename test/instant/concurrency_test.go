package instant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// crowd has all of a crowd wait in one instance, for one gate. The one that makes
// it full says so.
const crowd = `
let here = 0, gate;
const at = (what, name) => fetch(process.env.GATE + "?do=" + what + "&name=" + name);
exports.handler = async ({ place, n }) => {
  if (!place) return "ok";
  if (++here === n) await at("count", place + "-full");
  gate ??= at("wait", place);
  await gate;
  return "ok";
};
`

// throttled checks that an invocation was refused, and why.
func (a answer) throttled(t *testing.T, reason types.ThrottleReason) {
	t.Helper()
	var e *types.TooManyRequestsException
	if !errors.As(a.err, &e) || e.Reason != reason || aws.ToString(e.Message) != "Rate Exceeded." {
		t.Errorf("the answer is %+v; want TooManyRequestsException, %s", a, reason)
	}
}

func (h *house) reserve(t *testing.T, function string, n int32) {
	t.Helper()
	if _, err := h.lambda.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: &function, ReservedConcurrentExecutions: &n}); err != nil {
		t.Fatal(err)
	}
}

// gather has n invocations of a crowd wait at a place.
func (h *house) gather(t *testing.T, function, place string, n int) (all []<-chan answer) {
	t.Helper()
	for range n {
		all = append(all, h.later(t.Context(), function, fmt.Sprintf(`{"place":%q,"n":%d}`, place, n)))
	}
	h.came(t, place+"-full", 1)
	return all
}

// TestLimits: what the account has left is for whoever comes; what is reserved is
// there while others flood.
func TestLimits(t *testing.T) {
	t.Parallel()
	const shared, reserved = 100, 5
	h := start(t, func(c *platform.Config) { c.Concurrency = shared + 2*reserved })
	h.reserve(t, "gate", reserved)
	h.create(t, "flood", node(crowd), several(200), memory(512))
	h.create(t, "mine", node(crowd), several(200))
	h.create(t, "other", node(crowd))
	other := h.open(t, "other")
	h.reserve(t, "mine", reserved)

	flood := h.gather(t, "flood", "flood", shared)
	const account, own = types.ThrottleReasonConcurrentInvocationLimitExceeded, types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded
	h.call(t.Context(), "other", "{}").throttled(t, account)
	h.call(t.Context(), "flood", "{}").throttled(t, account)
	if resp, err := http.Get(other); err != nil || resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("at its URL: %+v, %v", resp, err)
	}
	mine := h.gather(t, "mine", "mine", reserved)
	h.call(t.Context(), "mine", "{}").throttled(t, own)
	h.let(t, "mine")
	for _, a := range mine {
		(<-a).is(t, `"ok"`)
	}
	h.call(t.Context(), "mine", "{}").is(t, `"ok"`)
	h.call(t.Context(), "other", "{}").throttled(t, account)
	h.let(t, "flood")
	for _, a := range flood {
		(<-a).is(t, `"ok"`)
	}
	h.call(t.Context(), "other", "{}").is(t, `"ok"`)

	h.reserve(t, "mine", 0)
	h.call(t.Context(), "mine", "{}").throttled(t, own)
	if _, err := h.lambda.DeleteFunctionConcurrency(t.Context(), &lambda.DeleteFunctionConcurrencyInput{FunctionName: aws.String("mine")}); err != nil {
		t.Fatal(err)
	}
	h.call(t.Context(), "mine", "{}").is(t, `"ok"`)
}

// TestQueue: at the limit as many wait as may, for as long as they may.
func TestQueue(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": "service: q\nprovider: {name: aws, runtime: nodejs22.x, timeout: 60, environment: {GATE: '" + h.gate + `'}}
custom: {pinfold: {functions: {patient: {queue: {max: 3, wait: 60}}, brief: {queue: {max: 3, wait: 1}}}}}
functions:
  patient: {handler: index.handler, reservedConcurrency: 1}
  brief: {handler: index.handler, reservedConcurrency: 1}
`,
		"index.js": crowd,
	}))
	const own = types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded
	for _, function := range []string{"q-dev-patient", "q-dev-brief"} {
		t.Run(function, func(t *testing.T) {
			t.Parallel()
			first := h.gather(t, function, function, 1)
			answers := make(chan answer)
			for range 10 {
				go func() { answers <- h.call(t.Context(), function, "{}") }()
			}
			for range 7 { // those that find no room to wait
				(<-answers).throttled(t, own)
			}
			if function == "q-dev-brief" { // and those whose patience ends
				for range 3 {
					(<-answers).throttled(t, own)
				}
				h.let(t, function)
			} else {
				h.let(t, function)
				for range 3 {
					(<-answers).is(t, `"ok"`)
				}
			}
			(<-first[0]).is(t, `"ok"`)
			h.call(t.Context(), function, "{}").is(t, `"ok"`)
		})
	}
}

const telling = `
const instance = String(Math.random());
exports.handler = async (event, context) => {
  if (event.end) process.exit(1);
  return { type: process.env.AWS_LAMBDA_INITIALIZATION_TYPE, version: context.functionVersion, instance };
};
`

// told is what such a function tells.
type told struct{ Type, Version, Instance string }

func (h *house) told(t *testing.T, function string) (it told) {
	t.Helper()
	a := h.call(t.Context(), function, "{}")
	if err := json.Unmarshal([]byte(a.payload), &it); err != nil || a.kind != "" {
		t.Fatalf("%+v: %v", a, err)
	}
	return it
}

func (h *house) provision(t *testing.T, function, qualifier string, n int32) {
	t.Helper()
	out, err := h.lambda.PutProvisionedConcurrencyConfig(t.Context(), &lambda.PutProvisionedConcurrencyConfigInput{
		FunctionName: &function, Qualifier: &qualifier, ProvisionedConcurrentExecutions: &n,
	})
	if err != nil || out.Status != types.ProvisionedConcurrencyStatusEnumInProgress {
		t.Fatalf("%+v, %v", out, err)
	}
}

// provisionedIs waits until what is provisioned is as it should be.
func (h *house) provisionedIs(t *testing.T, function, qualifier string, is func(*lambda.GetProvisionedConcurrencyConfigOutput) bool) (now *lambda.GetProvisionedConcurrencyConfigOutput) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for again := time.Tick(5 * time.Millisecond); ; <-again {
		out, err := h.lambda.GetProvisionedConcurrencyConfig(ctx, &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: &function, Qualifier: &qualifier})
		if err != nil {
			t.Fatalf("%v; before that %+v", err, now)
		}
		if now = out; is(out) {
			return out
		}
	}
}

func ready(n int32) func(*lambda.GetProvisionedConcurrencyConfigOutput) bool {
	return func(c *lambda.GetProvisionedConcurrencyConfigOutput) bool {
		return c.Status == types.ProvisionedConcurrencyStatusEnumReady && *c.AvailableProvisionedConcurrentExecutions == n && *c.AllocatedProvisionedConcurrentExecutions == n
	}
}

// TestProvisioned: instances that are kept are there before the first invocation,
// wherever an alias leads, and again when they were killed.
func TestProvisioned(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.create(t, "kept", node(telling))
	if _, err := h.lambda.CreateAlias(t.Context(), &lambda.CreateAliasInput{FunctionName: aws.String("kept"), Name: aws.String("live"), FunctionVersion: aws.String("1")}); err != nil {
		t.Fatal(err)
	}
	h.provision(t, "kept", "live", 2)
	h.provisionedIs(t, "kept", "live", ready(2))
	if it := h.told(t, "kept:live"); it.Type != "provisioned-concurrency" || it.Version != "1" {
		t.Errorf("it is told %+v", it)
	}
	if it := h.told(t, "kept"); it.Type != "on-demand" || it.Version != "$LATEST" {
		t.Errorf("what nobody keeps is told %+v", it)
	}

	out, err := h.lambda.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{
		FunctionName: aws.String("kept"), ZipFile: zipped(map[string]string{"index.js": telling + "// the second one"}).ZipFile, Publish: true,
	})
	if err != nil || *out.Version != "2" {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := h.lambda.UpdateAlias(t.Context(), &lambda.UpdateAliasInput{FunctionName: aws.String("kept"), Name: aws.String("live"), FunctionVersion: aws.String("2")}); err != nil {
		t.Fatal(err)
	}
	h.provisionedIs(t, "kept", "live", ready(2))
	it := h.told(t, "kept:live")
	if it.Type != "provisioned-concurrency" || it.Version != "2" {
		t.Errorf("after the alias has moved it is told %+v", it)
	}

	known := map[string]bool{}
	for range 2 { // which is all that there are
		known[h.told(t, "kept:live").Instance] = true
		h.call(t.Context(), "kept:live", `{"end":true}`).fails(t, "Runtime.ExitError", "exit status 1")
	}
	h.provisionedIs(t, "kept", "live", ready(2))
	if it := h.told(t, "kept:live"); it.Type != "provisioned-concurrency" || known[it.Instance] {
		t.Errorf("after a crash it is told %+v", it)
	}

	h.create(t, "broken", node(`throw new Error("not today");`))
	h.provision(t, "broken", "1", 1)
	failed := h.provisionedIs(t, "broken", "1", func(c *lambda.GetProvisionedConcurrencyConfigOutput) bool {
		return c.Status == types.ProvisionedConcurrencyStatusEnumFailed
	})
	if why := aws.ToString(failed.StatusReason); !strings.Contains(why, "not today") {
		t.Errorf("the reason is %q", why)
	}
}
