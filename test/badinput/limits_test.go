package badinput

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/platformtest"
)

const (
	helloPath   = "/2015-03-31/functions/good-dev-hello"
	networkPath = "/_pinfold/v1/functions/good-dev-hello/network"
)

// Limits that no function can have are refused at both doors, each in its own
// words, and leave the function as it was.
func TestLimitsOutOfRange(t *testing.T) {
	t.Parallel()
	h := start(t)
	const atLeast, atMost = "Member must have value greater than or equal to %d", "Member must have value less than or equal to %d"
	for _, limit := range []struct {
		inAPI, member, inManifest string
		low, high                 int
	}{
		{`{"MemorySize":%s}`, "memorySize", "memorySize", 128, 10240},
		{`{"EphemeralStorage":{"Size":%s}}`, "ephemeralStorage.size", "ephemeralStorageSize", 512, 10240},
	} {
		for _, value := range []int{0, -1, -2147483648, limit.low - 1, limit.high + 1, 2147483647} {
			rule := fmt.Sprintf(atLeast, limit.low)
			switch {
			case value > 1<<20: // beyond what the shape of the request has for kinds of functions that are not served
				rule = strings.TrimSuffix(atMost, "%d")
			case value > limit.high:
				rule = fmt.Sprintf(atMost, limit.high)
			}
			body := fmt.Appendf(nil, limit.inAPI, fmt.Sprint(value))
			status, name, answer := ask(t, h.signed(t, http.MethodPut, helloPath+"/configuration", "lambda", body, nil))
			if status != http.StatusBadRequest || name != "ValidationException" {
				t.Errorf("%s is answered with %d %s", body, status, name)
			}
			wantText(t, answer, fmt.Sprintf("1 validation error detected: Value '%d' at '%s' failed to satisfy constraint: %s", value, limit.member, rule))

			text := strings.Replace(goodManifest, "    events:", fmt.Sprintf("    %s: %d\n    events:", limit.inManifest, value), 1)
			_, err := h.TryDeploy(t.Context(), h.cache, platformtest.Files(t, changed(map[string]string{"serverless.yml": text})))
			if err == nil {
				t.Errorf("a manifest with %s %d is deployed", limit.inManifest, value)
				continue
			}
			wantText(t, err.Error(), fmt.Sprintf("serverless.yml:8:%d: %s of function hello must be a number from %d to %d, not %d",
				len(limit.inManifest)+7, limit.inManifest, limit.low, limit.high, value))
		}
		for _, value := range []string{"2147483648", "1e99", "128.5", `"lots"`, "[]"} {
			body := fmt.Appendf(nil, limit.inAPI, value)
			if status, _, answer := ask(t, h.signed(t, http.MethodPut, helloPath+"/configuration", "lambda", body, nil)); status != http.StatusBadRequest {
				t.Errorf("%s is answered with %d %s", body, status, answer)
			}
		}
	}
	h.unharmed(t)
}

// Who sends an application without a manifest is held to the same rules.
func TestApplicationsWithLimitsOutOfRange(t *testing.T) {
	t.Parallel()
	h := start(t)
	for name, spoil := range map[string]func(*pinfold.Config){
		"'-1' at 'memorySize'":                   func(c *pinfold.Config) { c.MemoryMB = -1 },
		"'10241' at 'memorySize'":                func(c *pinfold.Config) { c.MemoryMB = 10241 },
		"'-1' at 'ephemeralStorage.size'":        func(c *pinfold.Config) { c.EphemeralMB = -1 },
		"'511' at 'ephemeralStorage.size'":       func(c *pinfold.Config) { c.EphemeralMB = 511 },
		`network "closed" is none of`:            func(c *pinfold.Config) { c.Network.Policy = "closed" },
		`"http://x" is no destination`:           func(c *pinfold.Config) { c.Network = listed("a.example.com", "http://x") },
		"the list of destinations is empty":      func(c *pinfold.Config) { c.Network = listed() },
		"a network that is none has no list of":  func(c *pinfold.Config) { c.Network = pinfold.Network{Policy: "none", Allow: []string{"a"}} },
		"300 destinations are more than the 256": func(c *pinfold.Config) { c.Network = listed(strings.Fields(strings.Repeat("a ", 300))...) },
	} {
		a, _, _, err := h.plan(t.Context(), h.dir)
		if err != nil {
			t.Fatal(err)
		}
		spoil(&a.Functions[0].Config)
		for operation, send := range map[string]func(context.Context, *app.Application) error{
			"plan":   func(ctx context.Context, a *app.Application) error { _, err := h.Client.Plan(ctx, a); return err },
			"deploy": func(ctx context.Context, a *app.Application) error { _, err := h.Client.Deploy(ctx, a, ""); return err },
		} {
			t.Log(operation, name)
			wantError(t, send(t.Context(), a), pinfold.Invalid, "", "serverless.yml:6: function hello: ", name)
		}
	}
	h.unharmed(t)
}

func listed(destinations ...string) pinfold.Network {
	return pinfold.Network{Policy: pinfold.NetworkList, Allow: destinations}
}

// What is sent as a network and is none changes nothing; above all it opens nothing.
func TestNetworksThatAreNone(t *testing.T) {
	t.Parallel()
	h := start(t)
	none := pinfold.Network{Policy: pinfold.NetworkNone}
	if _, err := h.Client.SetNetwork(t.Context(), "good-dev-hello", none); err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		"":                                      "pinfold version",
		"{":                                     "pinfold version",
		"{}":                                    "the network has no policy",
		"null":                                  "the network has no policy",
		"[]":                                    "pinfold version",
		`"open"`:                                "pinfold version",
		`{"policy":"opne"}`:                     `network \"opne\" is none of open, none and a list`,
		`{"policy":"open","ports":[1]}`:         "ports",
		`{"policy":"open","allow":["a"]}`:       "has no list of destinations",
		`{"policy":"list"}`:                     "the list of destinations is empty",
		`{"policy":"list","allow":["a\u0000"]}`: "is no destination",
		`{"policy":"list","allow":[""]}`:        "is no destination",
		`{"policy":"list","allow":"a"}`:         "pinfold version",
		`{"policy":"open"}{"policy":"open"}`:    "followed by something else",
		strings.Repeat(" ", 2<<20):              "over 1 MB",
	} {
		status, answer := h.send(t, h.signed(t, http.MethodPut, networkPath, "pinfold", []byte(body), nil))
		if status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge {
			t.Errorf("%.60q: status %d", body, status)
		}
		wantText(t, answer, want)
	}
	for name, code := range map[string]pinfold.Code{
		"nobody": pinfold.NotFound, "good-dev-hello:9": pinfold.Invalid, "a b": pinfold.Invalid, "../apps": pinfold.Invalid,
		"arn:aws:lambda:us-east-1:999999999999:function:good-dev-hello": pinfold.Denied,
	} {
		_, err := h.Client.SetNetwork(t.Context(), name, none)
		wantError(t, err, code, "")
	}
	if got, err := h.Client.Network(t.Context(), "good-dev-hello"); err != nil || got.Network.Policy != pinfold.NetworkNone {
		t.Errorf("the network is %+v, %v; want none as before", got, err)
	}
	if _, err := h.Client.SetNetwork(t.Context(), "good-dev-hello", pinfold.Network{Policy: pinfold.NetworkOpen}); err != nil {
		t.Fatal(err)
	}
	h.unharmed(t)
}

// A function cannot open its own network with the credentials that it has.
func TestNetworkOfItself(t *testing.T) {
	t.Parallel()
	h := start(t)
	teller := files(t, "teller", `exports.handler = async () => [process.env.AWS_ACCESS_KEY_ID, process.env.AWS_SECRET_ACCESS_KEY, process.env.AWS_SESSION_TOKEN];`)
	deployed, err := h.TryDeploy(t.Context(), t.TempDir(), teller)
	if err != nil {
		t.Fatal(err)
	}
	name := deployed.Functions[0].Name
	if _, err := h.Client.SetNetwork(t.Context(), name, pinfold.Network{Policy: pinfold.NetworkNone}); err != nil {
		t.Fatal(err)
	}
	result, err := h.Client.Invoke(t.Context(), name, []byte("{}"), false)
	if err != nil {
		t.Fatal(err)
	}
	var key [3]string
	if err := json.Unmarshal(result.Payload, &key); err != nil || key[2] == "" {
		t.Fatalf("the function's credentials are %s: %v", result.Payload, err)
	}
	body := `{"policy":"open"}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, h.Endpoints.API+"/_pinfold/v1/functions/"+name+"/network", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	credentials := aws.Credentials{AccessKeyID: key[0], SecretAccessKey: key[1], SessionToken: key[2]}
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, req, hash, "pinfold", h.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	status, answer := h.send(t, req)
	if status != http.StatusForbidden {
		t.Errorf("status %d", status)
	}
	wantText(t, answer, "is not authorized to perform: pinfold:PutNetwork")
	if got, err := h.Client.Network(t.Context(), name); err != nil || got.Network.Policy != pinfold.NetworkNone {
		t.Errorf("the network is %+v, %v", got, err)
	}
	if err := h.Client.Remove(t.Context(), "teller", "dev"); err != nil {
		t.Fatal(err)
	}
	h.unharmed(t)
}
