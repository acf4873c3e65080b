package serverless_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app/serverless"
)

// twoFunctions is a manifest with the functions fetch and store and a custom section.
func twoFunctions(custom string) string {
	return manifest("functions: {fetch: {handler: hello.handler}, store: {handler: hello.handler}}\ncustom:\n" + custom)
}

func TestNetwork(t *testing.T) {
	list := func(destinations ...string) pinfold.Network {
		return pinfold.Network{Policy: pinfold.NetworkList, Allow: destinations}
	}
	open, none := pinfold.Network{Policy: pinfold.NetworkOpen}, pinfold.Network{Policy: pinfold.NetworkNone}
	unsaid := pinfold.Network{}
	for name, c := range map[string]struct {
		custom       string
		fetch, store pinfold.Network
	}{
		"nothing said":         {"  other: 1\n", unsaid, unsaid},
		"nothing in it":        {"  pinfold:\n", unsaid, unsaid},
		"of the service":       {"  pinfold: {network: none}\n", none, none},
		"of a function":        {"  pinfold: {functions: {fetch: {network: none}}}\n", none, unsaid},
		"of both":              {"  pinfold: {network: none, functions: {fetch: {network: open}}}\n", open, none},
		"a function of no say": {"  pinfold: {network: none, functions: {fetch: {}, store: }}\n", none, none},
		"a list": {"  pinfold:\n    network: [api.example.com, '*.example.org', 10.0.0.0/8, 'db.internal:5432', '[2001:db8::1]:443']\n",
			list("api.example.com", "*.example.org", "10.0.0.0/8", "db.internal:5432", "[2001:db8::1]:443"), list("api.example.com", "*.example.org", "10.0.0.0/8", "db.internal:5432", "[2001:db8::1]:443")},
		"one destination": {"  pinfold: {network: api.example.com}\n", list("api.example.com"), list("api.example.com")},
		"a list of none":  {"  pinfold: {network: [none]}\n", none, none},
		"variables": {"  hosts: [a.example.com, 'b.${sls:stage}.example.com']\n  pinfold: {network: '${self:custom.hosts}', functions: {store: {network: '${opt:net, \"none\"}'}}}\n",
			list("a.example.com", "b.dev.example.com"), none},
		"a variable for all of it":  {"  ours: {network: none}\n  pinfold: ${self:custom.ours}\n", none, none},
		"a file":                    {"  pinfold: ${file(pinfold.yml)}\n", list("x.example.com"), unsaid},
		"an intrinsic function":     {"  pinfold: {network: [!Sub 'sqs.${AWS::Region}.amazonaws.com']}\n", list("sqs.us-east-1.amazonaws.com"), list("sqs.us-east-1.amazonaws.com")},
		"somebody else's key":       {"  pinfold: {x-notes: why, network: none}\n", none, none},
		"a setting of other people": {"  pinfoldish: {network: 12}\n", unsaid, unsaid},
	} {
		t.Run(name, func(t *testing.T) {
			a := ok(t, twoFunctions(c.custom), map[string]string{"pinfold.yml": "functions: {fetch: {network: x.example.com}}\n"}, serverless.Options{})
			if diff := cmp.Diff([]pinfold.Network{c.fetch, c.store}, []pinfold.Network{a.Functions[0].Config.Network, a.Functions[1].Config.Network}); diff != "" {
				t.Errorf("the networks are others:\n%s", diff)
			}
			if warnings(a) != "" {
				t.Errorf("warnings:\n%s", warnings(a))
			}
		})
	}
}

// custom.pinfold is ours: what is wrong or unknown there is an error with its
// place, so that nothing is open because of a slip.
func TestPinfoldProblems(t *testing.T) {
	// The custom section begins in line 4 of the manifest, what is in it in line 5.
	for custom, says := range map[string][]string{
		"  pinfold: {netwrok: none}\n":                                             {`serverless.yml:5:13: netwrok of custom.pinfold is not known; did you mean "network"?`},
		"  pinfold: {schedules: {missed: never}}\n":                                {`serverless.yml:5:33: missed of custom.pinfold.schedules must be one of once, skip, not "never"`},
		"  pinfold: {schedules: {mised: once}}\n":                                  {`mised of custom.pinfold.schedules is not known; did you mean "missed"?`},
		"  pinfold: {threads: 7}\n":                                                {`serverless.yml:5:13: threads of custom.pinfold is not known: it knows network, concurrency, queue, provisioned, schedules, functions`},
		"  pinfold: {functions: {fetch: {handler: a.b}}}\n":                        {`serverless.yml:5:33: handler of custom.pinfold.functions.fetch is not known: it knows network, concurrency, queue, provisioned`},
		"  pinfold: {functions: {fecth: {network: none}}}\n":                       {`serverless.yml:5:25: fecth of custom.pinfold.functions: there is no function of that name; did you mean "fetch"?`},
		"  pinfold: none\n":                                                        {`serverless.yml:5:12: custom.pinfold must be a map of settings, not "none"`},
		"  pinfold: {functions: [fetch]}\n":                                        {`serverless.yml:5:24: custom.pinfold.functions must be a map of settings, not a list`},
		"  pinfold: {functions: {fetch: none}}\n":                                  {`serverless.yml:5:32: custom.pinfold.functions.fetch must be a map of settings, not "none"`},
		"  pinfold: {network: }\n":                                                 {`network of custom.pinfold holds nothing: write open, none or a list of destinations`},
		"  pinfold: {network: []}\n":                                               {`serverless.yml:5:22: network of custom.pinfold: the list of destinations is empty`},
		"  pinfold: {network: '${self:custom.gone, null}'}\n":                      {`serverless.yml:5:22: network of custom.pinfold holds nothing`},
		"  pinfold: {network: !Ref AWS::NoValue}\n":                                {`serverless.yml:5:22: network of custom.pinfold holds nothing`},
		"  pinfold: {network: '${env:NET}'}\n":                                     {`serverless.yml:5:23: cannot resolve ${env:NET}`},
		"  pinfold: ${file(gone.yml)}\n":                                           {`serverless.yml:5:12: cannot resolve ${file(gone.yml)}`},
		"  pinfold: {network: false}\n":                                            {`serverless.yml:5:22: network of custom.pinfold must be open, none or a list of destinations, each a text, not false`},
		"  pinfold: {network: {open: true}}\n":                                     {`serverless.yml:5:22: network of custom.pinfold must be open, none or a list of destinations, each a text, not a map`},
		"  pinfold:\n    network:\n    - db.internal: 5432\n    - 10.5\n":          {"serverless.yml:7:7: network of custom.pinfold must be open", "not a map", "serverless.yml:8:7: ", "not 10.5"},
		"  pinfold: {network: https://api.example.com}\n":                          {`serverless.yml:5:22: network of custom.pinfold: "https://api.example.com" is no destination: write the host alone, without https://`},
		"  pinfold: {network: [a.example.com, 10.0.0.0/33, 'db:0']}\n":             {`serverless.yml:5:38: network of custom.pinfold: "10.0.0.0/33" is no destination`, `serverless.yml:5:51: network of custom.pinfold: "db:0" is no destination: its port`},
		"  pinfold: {network: none, functions: {store: {network: 'a b'}}}\n":       {`serverless.yml:5:57: network of custom.pinfold.functions.store: "a b" is no destination`},
		"  pinfold: {network: [" + strings.Repeat("a.example.com, ", 300) + "]}\n": {`serverless.yml:5:22: network of custom.pinfold: 300 destinations are more than`},
	} {
		_, err := read(t, map[string]string{"serverless.yml": twoFunctions(custom)}, serverless.Options{})
		if err == nil {
			t.Errorf("nothing is wrong with %q", custom)
			continue
		}
		for _, want := range says {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q:\n got %v\nwant %s", custom, err, want)
			}
		}
		if n := strings.Count(err.Error(), "\n") + 1; n > 2 {
			t.Errorf("%q is told in %d messages:\n%v", custom, n, err)
		}
	}
	// What is there may be one of ours: the whole of it must be read.
	_, err := read(t, map[string]string{"serverless.yml": manifest("custom: ${file(gone.yml)}\n")}, serverless.Options{})
	if err == nil || !strings.Contains(err.Error(), "cannot resolve ${file(gone.yml)}") {
		t.Errorf("a custom section that cannot be read: %v", err)
	}
}

func TestMoreMemoryThanTheMachineHas(t *testing.T) {
	const text = "provider: {name: aws, runtime: nodejs20.x, memorySize: 4096}\nfunctions:\n  a: {handler: hello.handler}\n  b: {handler: hello.handler}\n  c: {handler: hello.handler, memorySize: 3000}\n  d: {handler: hello.handler, memorySize: 2048}\n"
	for machine, want := range map[int]string{
		0:    "",
		4096: "",
		2048: `serverless.yml:2:44: memorySize is 4096 MB, and the server has 2048 MB: the function is held to what the server has
serverless.yml:6:31: memorySize is 3000 MB, and the server has 2048 MB: the function is held to what the server has
`,
	} {
		a := ok(t, text, nil, serverless.Options{MachineMB: machine})
		if got := warnings(a); got != want {
			t.Errorf("on a machine of %d MB:\n%swant\n%s", machine, got, want)
		}
		if a.Functions[0].Config.MemoryMB != 4096 {
			t.Errorf("the function is another: %+v", a.Functions[0].Config)
		}
	}
}

// Sizes that Lambda does not have are refused where they stand.
func TestSizesOutOfRange(t *testing.T) {
	for setting, says := range map[string]string{
		"memorySize: 0":                "memorySize of function hello must be a number from 128 to 10240, not 0",
		"memorySize: -1":               "memorySize of function hello must be a number from 128 to 10240, not -1",
		"memorySize: 127":              "memorySize of function hello must be a number from 128 to 10240, not 127",
		"memorySize: 10241":            "memorySize of function hello must be a number from 128 to 10240, not 10241",
		"memorySize: 1e99":             "memorySize of function hello must be a number from 128 to 10240, not 1e",
		"ephemeralStorageSize: 0":      "ephemeralStorageSize of function hello must be a number from 512 to 10240, not 0",
		"ephemeralStorageSize: -512":   "ephemeralStorageSize of function hello must be a number from 512 to 10240, not -512",
		"ephemeralStorageSize: 10241":  "ephemeralStorageSize of function hello must be a number from 512 to 10240, not 10241",
		"ephemeralStorageSize: 512.5":  "ephemeralStorageSize of function hello must be a whole number, not 512.5",
		"ephemeralStorageSize: [1024]": "ephemeralStorageSize of function hello must be a whole number, not a list",
	} {
		_, err := read(t, map[string]string{"serverless.yml": manifest("functions:\n  hello:\n    handler: hello.handler\n    " + setting + "\n")}, serverless.Options{})
		if err == nil || !strings.Contains(err.Error(), "serverless.yml:6:") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s:\n got %v\nwant %s", setting, err, says)
		}
	}
}
