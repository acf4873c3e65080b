package instant

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/platformtest"
)

// TestLimitsOfZeroOrAMillion: each is taken where it makes sense, and where it
// does not is refused by name, at both doors. The function is as it was then.
func TestLimitsOfZeroOrAMillion(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.create(t, "f", node(`exports.handler = async () => "ok";`))
	name, ctx := aws.String("f"), t.Context()
	configure := func(change func(*lambda.UpdateFunctionConfigurationInput)) error {
		in := &lambda.UpdateFunctionConfigurationInput{FunctionName: name}
		change(in)
		_, err := h.lambda.UpdateFunctionConfiguration(ctx, in)
		return err
	}
	for what, set := range map[string]func(int32) error{
		"memorySize": func(n int32) error {
			return configure(func(in *lambda.UpdateFunctionConfigurationInput) { in.MemorySize = &n })
		},
		"timeout": func(n int32) error {
			return configure(func(in *lambda.UpdateFunctionConfigurationInput) { in.Timeout = &n })
		},
		"ephemeralStorage": func(n int32) error {
			return configure(func(in *lambda.UpdateFunctionConfigurationInput) {
				in.EphemeralStorage = &types.EphemeralStorage{Size: &n}
			})
		},
		"perExecutionEnvironmentMaxConcurrency": func(n int32) error {
			of := &lambda.CreateFunctionInput{}
			several(n)(of)
			return configure(func(in *lambda.UpdateFunctionConfigurationInput) {
				in.CapacityProviderConfig = of.CapacityProviderConfig
			})
		},
		"ReservedConcurrentExecutions": func(n int32) error {
			if n == 0 {
				n = -1 // 0 stops the function: see TestLimits
			}
			_, err := h.lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: &n})
			return err
		},
		"ConcurrentExecutions": func(n int32) error {
			_, err := h.lambda.PutProvisionedConcurrencyConfig(ctx, &lambda.PutProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: aws.String("1"), ProvisionedConcurrentExecutions: &n})
			return err
		},
	} {
		for _, n := range []int32{0, 1_000_000} {
			err := set(n)
			if err == nil || !strings.Contains(err.Error(), "StatusCode: 400") || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(what)) {
				t.Errorf("%s of %d: %v", what, n, err)
			}
			h.call(ctx, "f", "{}").is(t, `"ok"`)
		}
	}

	for _, c := range []struct{ settings, ours, says string }{
		{"memorySize: 0", "", "memorySize"},
		{"memorySize: 1000000", "", "memorySize"},
		{"timeout: 0", "", "timeout"},
		{"timeout: 1000000", "", "timeout"},
		{"reservedConcurrency: -1", "", "reservedConcurrency"},
		{"reservedConcurrency: 1000000", "", "ReservedConcurrentExecutions"},
		{"reservedConcurrency: 1000001", "", "reservedConcurrency"},
		{"provisionedConcurrency: -1", "", "provisionedConcurrency"},
		{"provisionedConcurrency: 1000000", "", "ConcurrentExecutions"},
		{"", "concurrency: 0", "concurrency"},
		{"", "concurrency: 1000000", "concurrency"},
		{"", "queue: {max: 0}", "max"},
		{"", "queue: {max: 1000000}", "max"},
		{"", "queue: {wait: 0}", "wait"},
		{"", "queue: {wait: 1000000}", "wait"},
		{"", "provisioned: [{cron: '* * * * *', count: -1}]", "count"},
		{"", "provisioned: [{cron: '* * * * *', count: 1000000}]", "ConcurrentExecutions"},
		{"provisionedConcurrency: 0", "provisioned: [{cron: '* * * * *', count: 0}]", ""},
		{"reservedConcurrency: 0", "", ""},
	} {
		dir := platformtest.Files(t, map[string]string{"index.js": `exports.handler = async () => "ok";`,
			"serverless.yml": "service: extreme\nprovider: {name: aws, runtime: nodejs22.x}\ncustom: {pinfold: {functions: {f: {" + c.ours + "}}}}\nfunctions: {f: {handler: index.handler, " + c.settings + "}}\n"})
		_, err := h.TryDeploy(ctx, t.TempDir(), dir)
		switch {
		case c.says == "" && err != nil, c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s %s: %v", c.settings, c.ours, err)
		case c.settings == "reservedConcurrency: 0":
			h.call(ctx, "extreme-dev-f", "{}").throttled(t, types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded)
		case c.says == "":
			h.call(ctx, "extreme-dev-f", "{}").is(t, `"ok"`)
		}
	}
	h.call(ctx, "f", "{}").is(t, `"ok"`)
}

// TestLargestStream: 200 MB are a stream, a byte more is an error after as much
// as that.
func TestLargestStream(t *testing.T) {
	t.Parallel()
	const most = 200 << 20
	h := start(t)
	streaming(t, h)
	for _, function := range []string{"node", "python", "go", "node-several", "python-several"} {
		for _, by := range []door{byURL, byAPI} {
			if !long() && (by == byAPI || strings.Contains(function, "-")) {
				continue // each is a second of the processor's
			}
			if function == "node" || long() {
				n, err := io.Copy(io.Discard, h.ask(t, by, function, fmt.Sprint("size ", most)))
				if n != most || err != nil {
					t.Errorf("%s by %s: of 200 MB %d bytes have come: %v", function, by, n, err)
				}
			}
			n, err := io.Copy(io.Discard, h.ask(t, by, function, fmt.Sprint("size ", most+1)))
			if n > most || err == nil {
				t.Errorf("%s by %s: of a byte more than 200 MB %d have come: %v", function, by, n, err)
			}
			h.logs(t, client.LogQuery{Functions: []string{function}, Tail: 1}, says("REPORT"))
			h.still(t, by, function)
		}
	}
}
