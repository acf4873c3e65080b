package deploy_test

import (
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/logs"
)

// TestLogRetention follows the retention of two groups through deployments: the
// usual one of a function, and one that it was given.
func TestLogRetention(t *testing.T) {
	h := newHouse(t)
	days := func(name string) int {
		t.Helper()
		group, err := h.logs.Group(logs.GroupRef{Account: scope.Account, Region: scope.Region, Name: name})
		if err != nil {
			t.Error(err)
		}
		return group.RetentionDays
	}
	const greet = "/aws/lambda/hello-dev-greet"
	a := hello()
	a.APIs = nil
	a.Functions[0].LogRetentionDays, a.Functions[1].LogRetentionDays, a.Functions[1].Config.LogGroup = 14, 30, "own"
	h.expect(a, "+ function hello-dev-greet nodejs20.x; log retention 14 days", "+ function hello-dev-part nodejs20.x; log retention 30 days")
	h.apply(a)
	h.expect(a)
	if days(greet) != 14 || days("own") != 30 {
		t.Errorf("retention is %d and %d days", days(greet), days("own"))
	}
	if err := h.logs.SetRetention(logs.FunctionGroup(ref("hello-dev-greet"), ""), 3); err != nil {
		t.Fatal(err)
	}
	a.Functions[1].LogRetentionDays = 0
	h.expect(a, "~ function hello-dev-greet log retention 3 days -> 14 days", "~ function hello-dev-part log retention 30 days -> (none)")
	h.apply(a)
	if days(greet) != 14 || days("own") != 0 {
		t.Errorf("retention is %d and %d days", days(greet), days("own"))
	}
	if err := h.logs.SetRetention(logs.FunctionGroup(ref("hello-dev-part"), "own"), 7); err != nil {
		t.Fatal(err)
	}
	h.expect(a) // what the manifest does not say is for others to say

	a.Functions[1].LogRetentionDays, a.Functions[1].Config.LogGroup = 3, greet
	if _, err := h.Plan(t.Context(), a); pinfold.CodeOf(err) != pinfold.Invalid ||
		err.Error() != "serverless.yml:7: function part: it keeps its log for 3 days, and another function 14 days, but both write to the log group /aws/lambda/hello-dev-greet: give one of them another group or retention" {
		t.Error(err)
	}

	a.Functions[0].LogRetentionDays = 15
	_, err := h.Plan(t.Context(), a)
	if pinfold.CodeOf(err) != pinfold.Invalid || err.Error() != "serverless.yml:7: function greet: a retention of 15 days cannot be had: it must be one of [1 3 5 7 14 30 60 90 120 150 180 365 400 545 731 1096 1827 2192 2557 2922 3288 3653]" {
		t.Error(err)
	}
}
