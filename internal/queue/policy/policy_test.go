package policy_test

import (
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/queue/policy"
)

// TestLimits: how much a policy may have; what AddPermission makes of one is tested
// with queues.
func TestLimits(t *testing.T) {
	statement := `{"Sid":"s","Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}`
	with := func(n int) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(strings.Split(strings.Repeat(statement+" ", n), " ")[:n], ",") + `]}`
	}
	if err := policy.Check(with(20)); err != nil {
		t.Error(err)
	}
	if err := policy.Check(with(21)); pinfold.ReasonOf(err) != "OverLimit" || err.Error() != "21 statements were found in the submitted policy, max allowed is 20" {
		t.Error(err)
	}
	one := policy.Permission{Label: "l", Accounts: []string{"111111111111"}, Actions: []string{"*"}}
	if _, err := policy.Add(with(20), "arn", one); pinfold.ReasonOf(err) != "OverLimit" {
		t.Error(err)
	}
	many := one
	many.Actions = strings.Fields(strings.Repeat("SendMessage ", 8))
	if _, err := policy.Add("", "arn", many); pinfold.ReasonOf(err) != "OverLimit" || err.Error() != "8 Actions were found, maximum allowed is 7." {
		t.Error(err)
	}
	long := one
	long.Accounts = strings.Fields(strings.Repeat("111111111111 ", 300))
	if _, err := policy.Add("", "arn", long); pinfold.ReasonOf(err) != "InvalidAttributeValue" {
		t.Error(err)
	}
	for _, text := range []string{with(1) + "x", strings.Replace(with(1), "2012-10-17", "2020-01-01", 1), strings.Repeat(" ", 8192) + with(1)} {
		if pinfold.ReasonOf(policy.Check(text)) != "InvalidAttributeValue" {
			t.Errorf("taken: %.60s", text)
		}
	}
}
