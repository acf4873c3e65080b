package protocol_test

import (
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/wire/protocol"
)

// The wordings are AWS's: hashicorp/terraform-provider-aws#41023,
// appleboy/lambda-action#83, localstack's AdditionalVersionWeights snapshots.
func TestValidationMessages(t *testing.T) {
	const name = `Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)`
	for title, tt := range map[string]struct {
		path, body, want string
	}{
		"too long":         {"/items/123456789a", `{}`, "1 validation error detected: Value '123456789a' at 'name' failed to satisfy constraint: Member must have length less than or equal to 8"},
		"too short":        {"/items/a", `{}`, "1 validation error detected: Value 'a' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		"lookahead":        {"/items/123", `{}`, "1 validation error detected: Value '123' at 'name' failed to satisfy constraint: " + name},
		"pattern":          {"/items/a%20b", `{}`, "1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: " + name},
		"enum":             {"/items/ab?kind=old", `{}`, "1 validation error detected: Value 'old' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [new, used]"},
		"number":           {"/items/ab", `{"Count":901}`, "1 validation error detected: Value '901' at 'count' failed to satisfy constraint: Member must have value less than or equal to 900"},
		"small number":     {"/items/ab", `{"Count":0}`, "1 validation error detected: Value '0' at 'count' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		"null inside":      {"/items/ab", `{"Tags":[{"Key":"ok"},{"Value":"x"}]}`, "1 validation error detected: Value null at 'tags.2.member.key' failed to satisfy constraint: Member must not be null"},
		"long list":        {"/items/ab", `{"Tags":[{"Key":"aa"},{"Key":"bb"},{"Key":"cc"}]}`, "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 2"},
		"items of a list":  {"/items/ab", `{"Sizes":[1,11,12]}`, "1 validation error detected: Value '[1, 11, 12]' at 'sizes' failed to satisfy constraint: Member must satisfy constraint: [Member must have value less than or equal to 10, Member must have value greater than or equal to 1, Member must not be null]"},
		"keys of a map":    {"/items/ab", `{"Env":{"_X":"1","OK":"2"}}`, "1 validation error detected: Value '{OK=2, _X=1}' at 'env' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]"},
		"values of a map":  {"/items/ab", `{"Env":{"OK":"123456"}}`, "1 validation error detected: Value '{OK=123456}' at 'env' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 5, Member must have length greater than or equal to 0, Member must not be null]"},
		"blob":             {"/items/ab", `{"Data":"AAAAAAA="}`, "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=5 cap=5]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 4"},
		"two":              {"/items/a%20?kind=old", `{}`, "2 validation errors detected: Value 'a ' at 'name' failed to satisfy constraint: " + name + "; Value 'old' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [new, used]"},
		"characters count": {"/items/%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9", `{}`, "1 validation error detected: Value 'ééééé' at 'name' failed to satisfy constraint: " + name},
	} {
		t.Run(title, func(t *testing.T) {
			impl := &shop{item: &item{}}
			code, message := readError(t, do(t, newServer(t, shopModel(protocol.RESTJSON), impl, allow), "POST "+tt.path+" HTTP/1.1\n\n"+tt.body))
			if code != "ValidationException" || message != tt.want {
				t.Errorf("got  %s %s\nwant %s", code, message, tt.want)
			}
			if impl.got != nil {
				t.Error("the adapter saw an invalid request")
			}
		})
	}
}

// A password must not come back in a message: "Value at 'password' failed ..."
// is what Cognito answers.
func TestSensitiveIsNotEchoed(t *testing.T) {
	model := shopModel(protocol.JSON11)
	env := model.Shapes["EnvValue"]
	env.Sensitive = true
	model.Shapes["EnvValue"] = env
	_, message := readError(t, do(t, newServer(t, model, &shop{}, allow),
		"POST / HTTP/1.1\nX-Amz-Target: S.PutItem\n\n"+`{"Name":"ab","Env":{"OK":"hunter2"}}`))
	if strings.Contains(message, "hunter2") || !strings.HasPrefix(message, "1 validation error detected: Value at 'env' failed") {
		t.Error(message)
	}
}
