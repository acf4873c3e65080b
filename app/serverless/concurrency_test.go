package serverless_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
)

// concurrency is what a manifest says of one function.
type concurrency struct {
	PerInstance int
	Reserved    *int
	Queue       *pinfold.Queue
	Provisioned *app.Provisioned
	Recursive   bool
}

func TestConcurrency(t *testing.T) {
	plain := concurrency{}
	day := []pinfold.ScheduledCount{{Cron: "0 8 * * 1-5", Timezone: "Europe/Berlin", Count: 10}, {Cron: "0 20 * * *", Count: 0}}
	const daily = "[{cron: 0 8 * * 1-5, timezone: Europe/Berlin, count: 10}, {cron: 0 20 * * *, count: 0}]"
	for name, c := range map[string]struct {
		fetch, custom string // settings of the function fetch, and of custom.pinfold
		want, store   concurrency
	}{
		"nothing said":                 {"", "", plain, plain},
		"instances of the service":     {"", "concurrency: 10", concurrency{PerInstance: 10}, concurrency{PerInstance: 10}},
		"instances of a function":      {"", "concurrency: 10, functions: {fetch: {concurrency: '1000'}}", concurrency{PerInstance: 1000}, concurrency{PerInstance: 10}},
		"a queue":                      {"", "queue: true", concurrency{Queue: &pinfold.Queue{Max: 1000, Wait: 30}}, concurrency{Queue: &pinfold.Queue{Max: 1000, Wait: 30}}},
		"a queue of a size":            {"", "queue: {max: 5}, functions: {store: {queue: {max: 100000, wait: 900}}}", concurrency{Queue: &pinfold.Queue{Max: 5, Wait: 30}}, concurrency{Queue: &pinfold.Queue{Max: 100000, Wait: 900}}},
		"a queue but for one":          {"", "queue: {wait: 1}, functions: {fetch: {queue: false}}", plain, concurrency{Queue: &pinfold.Queue{Max: 1000, Wait: 1}}},
		"reserved":                     {"reservedConcurrency: 0", "", concurrency{Reserved: new(0)}, plain},
		"may loop":                     {"recursiveLoop: Allow", "", concurrency{Recursive: true}, plain},
		"may not loop":                 {"recursiveLoop: Terminate", "", plain, plain},
		"provisioned":                  {"provisionedConcurrency: 5", "", concurrency{Provisioned: &app.Provisioned{Count: 5}}, plain},
		"none provisioned":             {"provisionedConcurrency: 0", "", plain, plain},
		"by the clock":                 {"", "functions: {fetch: {provisioned: " + daily + "}}", concurrency{Provisioned: &app.Provisioned{Schedule: day}}, plain},
		"by the clock, and before":     {"provisionedConcurrency: 3", "functions: {fetch: {provisioned: " + daily + "}}", concurrency{Provisioned: &app.Provisioned{Count: 3, Schedule: day}}, plain},
		"by the clock, but one is not": {"", "provisioned: " + daily + ", functions: {fetch: {provisioned: []}}", plain, concurrency{Provisioned: &app.Provisioned{Schedule: day}}},
		"variables":                    {"provisionedConcurrency: '${self:custom.n}'", "concurrency: '${self:custom.n}', queue: {max: '${self:custom.n}'}", concurrency{PerInstance: 7, Queue: &pinfold.Queue{Max: 7, Wait: 30}, Provisioned: &app.Provisioned{Count: 7}}, concurrency{PerInstance: 7, Queue: &pinfold.Queue{Max: 7, Wait: 30}}},
	} {
		t.Run(name, func(t *testing.T) {
			text := "provider: {name: aws, runtime: nodejs20.x, versionFunctions: false}\nfunctions:\n  fetch: {handler: hello.handler, url: true, events: [httpApi: GET /a, http: GET /b], environment: {SELF_URL: !GetAtt FetchLambdaFunctionUrl.FunctionUrl}, " +
				c.fetch + "}\n  store: {handler: hello.handler}\ncustom: {n: 7, pinfold: {" + c.custom + "}}\n"
			a := ok(t, text, nil, serverless.Options{})
			var got []concurrency
			for _, f := range a.Functions {
				got = append(got, concurrency{f.Config.MaxConcurrency, f.ReservedConcurrency, f.Queue, f.Provisioned, f.Recursive})
				if f.Publish != (f.Provisioned != nil) {
					t.Errorf("%s is published: %v", f.Key, f.Publish)
				}
			}
			if diff := cmp.Diff([]concurrency{c.want, c.store}, got); diff != "" {
				t.Errorf("concurrency (-want +got):\n%s", diff)
			}
			// Routes and the URL lead to the instances that are ready.
			invoked := pinfold.FunctionRef{Account: target.Account, Region: target.Region, Name: "shop-dev-fetch"}
			if c.want.Provisioned != nil {
				invoked.Qualifier = "provisioned"
			}
			for _, api := range a.APIs {
				if to := api.Routes[0].Target; to != invoked {
					t.Errorf("the route of the %s API leads to %s", api.Kind, to.ARN())
				}
			}
			if url := a.Functions[0].Config.Environment["SELF_URL"]; url != target.Endpoints.FunctionURLByPath(pinfold.URLID(invoked)) {
				t.Errorf("the URL is %s", url)
			}
			if warnings(a) != "" {
				t.Errorf("warnings:\n%s", warnings(a))
			}
		})
	}
}

func TestConcurrencyProblems(t *testing.T) {
	// The custom section begins in line 4 of the manifest, what is in it in line 5.
	for custom, says := range map[string]string{
		"concurrency: 0":                              "serverless.yml:5:26: concurrency of custom.pinfold must be a number from 1 to 1000, not 0",
		"concurrency: 1001":                           "serverless.yml:5:26: concurrency of custom.pinfold must be a number from 1 to 1000, not 1001",
		"concurrency: many":                           `serverless.yml:5:26: concurrency of custom.pinfold must be a whole number, not "many"`,
		"queue: 7":                                    "serverless.yml:5:20: queue of custom.pinfold must be true, false, or a map with max and wait, not 7",
		"queue: {max: 0}":                             "serverless.yml:5:26: max of queue of custom.pinfold must be a number from 1 to 100000, not 0",
		"queue: {max: 100001}":                        "serverless.yml:5:26: max of queue of custom.pinfold must be a number from 1 to 100000, not 100001",
		"queue: {wait: 901}":                          "serverless.yml:5:27: wait of queue of custom.pinfold must be a number from 1 to 900, not 901",
		"queue: {length: 1}":                          "serverless.yml:5:21: length of queue of custom.pinfold is not known: it knows max, wait",
		"provisioned: 7":                              "serverless.yml:5:26: provisioned of custom.pinfold must be a list of maps with cron, timezone and count, not 7",
		"provisioned: [7]":                            "serverless.yml:5:27: entry 1 of provisioned of custom.pinfold must be a map of settings, not 7",
		"provisioned: [{count: 7}]":                   "serverless.yml:5:27: entry 1 of provisioned of custom.pinfold has no cron: write such as {cron:",
		"provisioned: [{cron: 0 8 * * *}]":            "serverless.yml:5:27: entry 1 of provisioned of custom.pinfold has no count: write such as {cron:",
		"provisioned: [{cron: 0 8, count: 1}]":        `serverless.yml:5:34: cron of entry 1 of provisioned of custom.pinfold: "0 8" is no cron expression: write five fields`,
		"provisioned: [{cron: 0 25 * * *, count: 1}]": `serverless.yml:5:34: cron of entry 1 of provisioned of custom.pinfold: "0 25 * * *" is no cron expression`,
		"provisioned: [{cron: 0 8 30 2 *, count: 1}]": `serverless.yml:5:34: cron of entry 1 of provisioned of custom.pinfold: "0 8 30 2 *" is never due`,
		"provisioned: [{cron: 0 8 * * *, timezone: Berlin, count: 1}]":                `serverless.yml:5:55: timezone of entry 1 of provisioned of custom.pinfold: "Berlin" is no time zone`,
		"provisioned: [{cron: 0 8 * * *, count: -1}]":                                 "serverless.yml:5:52: count of entry 1 of provisioned of custom.pinfold must be a number from 0 to 1000000, not -1",
		"provisioned: [{cron: 0 8 * * *, count: 1, days: 5}]":                         "serverless.yml:5:55: days of entry 1 of provisioned of custom.pinfold is not known",
		"functions: {fetch: {provisioned: [{cron: x, count: 1}]}}":                    `serverless.yml:5:54: cron of entry 1 of provisioned of custom.pinfold.functions.fetch: "x" is no cron expression`,
		"provisioned: [" + strings.Repeat("{cron: 0 8 * * *, count: 1}, ", 101) + "]": "serverless.yml:5:26: provisioned of custom.pinfold has 101 entries, and 100 are allowed",
	} {
		_, err := read(t, map[string]string{"serverless.yml": twoFunctions("  pinfold: {" + custom + "}\n")}, serverless.Options{})
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant %s", custom, err, says)
		}
	}
	for setting, says := range map[string]string{
		"provisionedConcurrency: -1": "provisionedConcurrency of function hello must be a number from 0 to 1000000, not -1",
		"provisionedConcurrency: []": "provisionedConcurrency of function hello must be a whole number, not a list",
		"recursiveLoop: Always":      `recursiveLoop of function hello must be one of Allow, Terminate, not "Always"`,
	} {
		_, err := read(t, map[string]string{"serverless.yml": manifest("functions:\n  hello:\n    handler: hello.handler\n    " + setting + "\n")}, serverless.Options{})
		if err == nil || !strings.Contains(err.Error(), "serverless.yml:6:") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s:\n got %v\nwant %s", setting, err, says)
		}
	}
}
