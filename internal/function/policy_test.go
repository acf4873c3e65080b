package function_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/store"
)

// The statements are in the form that AWS answers with; compare "AddPermission"
// in the Lambda API reference and localstack/localstack's recordings
// (tests/aws/services/lambda_/test_lambda_api.snapshot.json).
func TestAddPermission(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.create("hello")
	f.publish("hello")
	f.must(second(f.CreateAlias(ctx, ref("hello:live"), "1", "", nil)))
	allow := func(principal, resource, condition string) string {
		return `{"Sid":"s","Effect":"Allow","Principal":` + principal + `,"Action":"lambda:InvokeFunction","Resource":"` + arn(resource) + `"` + condition + `}`
	}
	for name, test := range map[string]struct {
		ref  string
		p    function.Permission
		want string
	}{
		"a service":           {"hello", function.Permission{Principal: "s3.amazonaws.com"}, allow(`{"Service":"s3.amazonaws.com"}`, "hello", "")},
		"an account":          {"hello", function.Permission{Principal: "222222222222"}, allow(`{"AWS":"arn:aws:iam::222222222222:root"}`, "hello", "")},
		"a role":              {"hello:live", function.Permission{Principal: "arn:aws:iam::222222222222:role/r"}, allow(`{"AWS":"arn:aws:iam::222222222222:role/r"}`, "hello:live", "")},
		"everybody":           {"hello:1", function.Permission{Principal: "*"}, allow(`"*"`, "hello:1", "")},
		"from a source":       {"hello", function.Permission{Principal: "sns.amazonaws.com", SourceARN: "arn:aws:sns:us-east-1:1:t", SourceAccount: "333333333333"}, allow(`{"Service":"sns.amazonaws.com"}`, "hello", `,"Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:sns:us-east-1:1:t"},"StringEquals":{"AWS:SourceAccount":"333333333333"}}`)},
		"by URL":              {"hello", function.Permission{Principal: "*", URLAuthType: "NONE"}, allow(`"*"`, "hello", `,"Condition":{"StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}}`)},
		"only by URL":         {"hello", function.Permission{Principal: "*", ViaURL: new(true)}, allow(`"*"`, "hello", `,"Condition":{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}`)},
		"with a token":        {"hello", function.Permission{Principal: "alexa-appkit.amazon.com", EventSourceToken: "amzn1.ask"}, allow(`{"Service":"alexa-appkit.amazon.com"}`, "hello", `,"Condition":{"StringEquals":{"lambda:EventSourceToken":"amzn1.ask"}}`)},
		"of an organisation":  {"hello", function.Permission{Principal: "*", OrganizationID: "o-1234567890"}, allow(`"*"`, "hello", `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1234567890"}}`)},
		"a session of a role": {"hello", function.Permission{Principal: "arn:aws:sts::222222222222:assumed-role/r/s"}, allow(`{"AWS":"arn:aws:sts::222222222222:assumed-role/r/s"}`, "hello", "")},
	} {
		test.p.StatementID, test.p.Action = "s", "lambda:InvokeFunction"
		got, err := f.AddPermission(ctx, ref(test.ref), test.p)
		if err != nil || got != test.want {
			t.Errorf("%s:\n got %s %v\nwant %s", name, got, err, test.want)
		}
		policy, err := f.Policy(ctx, ref(test.ref))
		f.must(err)
		if want := `{"Version":"2012-10-17","Id":"default","Statement":[` + test.want + `]}`; policy.Document != want || policy.RevisionID == "" {
			t.Errorf("%s: policy\n got %s\nwant %s", name, policy.Document, want)
		}
		f.must(f.RemovePermission(ctx, ref(test.ref), "s", policy.RevisionID))
		_, err = f.Policy(ctx, ref(test.ref))
		wantError(t, "a policy without statements", err, pinfold.NotFound, notFound, "The resource you requested does not exist.")
	}
}

// Texts: localstack/localstack, services/lambda_/provider.py and api_utils.py;
// that of a full policy is quoted in aws/aws-cdk issue 9327.
func TestPermissionsRefuse(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	latest := f.create("hello")
	add := func(name string, change func(*function.Permission)) error {
		p := permission("new")
		if change != nil {
			change(&p)
		}
		return second(f.AddPermission(ctx, ref(name), p))
	}
	f.must(add("hello", func(p *function.Permission) { p.StatementID = "there" }))
	before, err := f.Policy(ctx, ref("hello"))
	f.must(err)

	wantError(t, "$LATEST", add("hello:$LATEST", nil), pinfold.Invalid, invalidParameter, "We currently do not support adding policies for $LATEST.")
	wantError(t, "no such version", add("hello:7", nil), pinfold.NotFound, notFound, "Function not found: "+arn("hello:7"))
	wantError(t, "no such alias", add("hello:live", nil), pinfold.NotFound, notFound, "Cannot find alias arn: "+arn("hello:live"))
	wantError(t, "the same id", add("hello", func(p *function.Permission) { p.StatementID = "there" }), pinfold.Conflict, conflict, "The statement id (there) provided already exists. Please provide a new statement id, or remove the existing statement.")
	wantError(t, "a bad id", add("hello", func(p *function.Permission) { p.StatementID = "a b" }), pinfold.Invalid, validationError, "1 validation error detected: Value 'a b' at 'statementId' failed to satisfy constraint: Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)")
	wantError(t, "a bad action", add("hello", func(p *function.Permission) { p.Action = "s3:GetObject" }), pinfold.Invalid, validationError, "1 validation error detected: Value 's3:GetObject' at 'action'")
	for _, principal := range []string{"", "somebody", "12345678901", "arn:aws:s3:::bucket"} {
		wantError(t, "principal "+principal, add("hello", func(p *function.Permission) { p.Principal = principal }), pinfold.Invalid, invalidParameter, "The provided principal was invalid. Please check the principal and try again.")
	}
	wantError(t, "an old revision", add("hello", func(p *function.Permission) { p.RevisionID = "old" }), pinfold.Conflict, precondition, revisionText)
	wantError(t, "a full policy", add("hello", func(p *function.Permission) { p.SourceARN = strings.Repeat("x", 20480) }), pinfold.Invalid, "PolicyLengthExceededException", "The final policy size (20")
	wantError(t, "remove nothing", f.RemovePermission(ctx, ref("hello"), "none", ""), pinfold.NotFound, notFound, "Statement none is not found in resource policy.")
	wantError(t, "remove with an old revision", f.RemovePermission(ctx, ref("hello"), "there", "old"), pinfold.Conflict, precondition, revisionText)
	if after, err := f.Policy(ctx, ref("hello")); err != nil || *after != *before {
		t.Errorf("the policy has changed to %v, %v", after, err)
	}
	// A precondition is the policy's revision or the function's own.
	f.must(add("hello", func(p *function.Permission) { p.RevisionID = before.RevisionID }))
	f.must(f.RemovePermission(ctx, ref("hello"), "new", latest.RevisionID))
	f.must(f.RemovePermission(ctx, ref("hello"), "there", ""))
	wantError(t, "remove from no policy", f.RemovePermission(ctx, ref("hello"), "there", ""), pinfold.NotFound, notFound, "No policy is associated with the given resource.")
	if v, err := f.Resolve(ctx, ref("hello")); err != nil || v.Key() != latest.Key() {
		t.Errorf("policies restart instances: %v, %v", v, err)
	}
}

func TestLayerPermissions(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.layer("tools", codeA)
	name := function.LayerName{Account: scope.Account, Region: scope.Region, Name: "tools", Version: 1}
	missing := name
	missing.Version = 2
	p := function.LayerPermission{StatementID: "xaccount", Action: "lambda:GetLayerVersion", Principal: "222222222222"}
	wantError(t, "no policy yet", second(f.LayerPolicy(ctx, name)), pinfold.NotFound, notFound, "No policy is associated with the given resource.")
	text, revision, err := f.AddLayerPermission(ctx, name, p)
	f.must(err)
	if want := `{"Sid":"xaccount","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"lambda:GetLayerVersion","Resource":"` + name.ARN() + `"}`; text != want {
		t.Errorf("statement\n got %s\nwant %s", text, want)
	}
	policy, err := f.LayerPolicy(ctx, name)
	f.must(err)
	var doc struct{ Statement []json.RawMessage }
	if err := json.Unmarshal([]byte(policy.Document), &doc); err != nil || len(doc.Statement) != 1 || string(doc.Statement[0]) != text || policy.RevisionID != revision {
		t.Errorf("policy %+v, %v", policy, err)
	}
	_, _, err = f.AddLayerPermission(ctx, name, p)
	wantError(t, "the same id", err, pinfold.Conflict, conflict, "The statement id (xaccount) provided already exists.")
	_, _, err = f.AddLayerPermission(ctx, missing, p)
	wantError(t, "no such layer", err, pinfold.NotFound, notFound, "Layer version "+missing.ARN()+" does not exist.")
	wantError(t, "an old revision", f.RemoveLayerPermission(ctx, name, "xaccount", "old"), pinfold.Conflict, precondition, "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id")
	f.must(f.RemoveLayerPermission(ctx, name, "xaccount", revision))
	wantError(t, "the last statement", second(f.LayerPolicy(ctx, name)), pinfold.NotFound, notFound, "No policy is associated with the given resource.")
}

func TestTags(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.create("hello")
	want := func(what string, want map[string]string) {
		t.Helper()
		got, err := f.Tags(ctx, ref("hello"))
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, %v; want %v", what, got, err, want)
		}
	}
	f.must(f.Tag(ctx, ref("hello"), map[string]string{"a": "1", "b": "2"}))
	f.must(f.Tag(ctx, ref("hello"), map[string]string{"b": "3", "é /=+-@:.": ""}))
	want("added", map[string]string{"a": "1", "b": "3", "é /=+-@:.": ""})
	f.must(f.Untag(ctx, ref("hello"), []string{"a", "none", "é /=+-@:."}))
	want("removed", map[string]string{"b": "3"})
	f.must(f.SetTags(ctx, ref("hello"), tags(50)))
	want("set", tags(50))
	wantError(t, "one more", f.Tag(ctx, ref("hello"), map[string]string{"more": "x"}), pinfold.Invalid, invalidParameter, "Number of tags exceeds resource tag limit.")
	wantError(t, "reserved", f.SetTags(ctx, ref("hello"), map[string]string{"aws:x": "x"}), pinfold.Invalid, invalidParameter, "The tag key aws:x cannot be used")
	wantError(t, "none", f.Tag(ctx, ref("hello"), nil), pinfold.Invalid, invalidParameter, "An error occurred and the request cannot be processed.")
	wantError(t, "a version", f.Tag(ctx, ref("hello:$LATEST"), tags(1)), pinfold.Invalid, invalidParameter, "Tags on function aliases and versions are not supported. Please specify a function ARN.")
	wantError(t, "a long key", f.SetTags(ctx, ref("hello"), map[string]string{strings.Repeat("k", 129): ""}), pinfold.Invalid, validationError, "1 validation error detected")
	want("after refusals", tags(50))
}

// Texts: localstack/localstack, services/lambda_/provider.py.
func TestURLs(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.create("hello")
	f.publish("hello")
	f.must(second(f.CreateAlias(ctx, ref("hello:live"), "1", "", nil)))
	cors := &pinfold.CORS{AllowOrigins: []string{"*"}, MaxAge: 60}
	created, err := f.CreateURL(ctx, ref("hello"), "NONE", "", cors)
	f.must(err)
	if created.ID != pinfold.URLID(ref("hello")) || created.InvokeMode != "BUFFERED" || created.CORS.MaxAge != 60 || !created.Created.Equal(f.now) {
		t.Errorf("created: %+v", created)
	}
	alias, err := f.CreateURL(ctx, ref("hello:live"), "AWS_IAM", "RESPONSE_STREAM", nil)
	f.must(err)
	if alias.ID == created.ID {
		t.Error("two URLs have one ID")
	}
	f.now = f.now.Add(3600e9)
	var none *pinfold.CORS
	updated, err := f.UpdateURL(ctx, ref("hello"), function.URLChange{AuthType: new("AWS_IAM"), CORS: &none})
	f.must(err)
	if updated.AuthType != "AWS_IAM" || updated.CORS != nil || updated.InvokeMode != "BUFFERED" || !updated.Modified.Equal(f.now) || updated.Created.Equal(f.now) {
		t.Errorf("updated: %+v", updated)
	}
	if all, err := f.URLs(ctx); err != nil || len(all) != 2 || all[0].ID != created.ID || all[1].ID != alias.ID {
		t.Errorf("URLs = %v, %v", all, err)
	}
	wantPages(t, "URLs", []string{"", "live"}, func(p function.Page) ([]*pinfold.URL, string, error) {
		return f.ListURLs(ctx, ref("hello"), p)
	}, func(u *pinfold.URL) string { return u.Ref.Qualifier })

	create := func(name, auth, mode string, cors *pinfold.CORS) error {
		return second(f.CreateURL(ctx, ref(name), auth, mode, cors))
	}
	wantError(t, "twice", create("hello", "NONE", "", nil), pinfold.Conflict, conflict, "Failed to create function url config for [functionArn = "+arn("hello")+"]. Error message:  FunctionUrlConfig exists for this Lambda function")
	wantError(t, "no function", create("none", "NONE", "", nil), pinfold.NotFound, notFound, "Function does not exist")
	wantError(t, "no alias", create("hello:none", "NONE", "", nil), pinfold.NotFound, notFound, "Function does not exist")
	wantError(t, "a version", create("hello:1", "NONE", "", nil), pinfold.Invalid, validationError, "1 validation error detected: Value '1' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)")
	wantError(t, "$LATEST", create("hello:$LATEST", "NONE", "", nil), pinfold.Invalid, validationError, "1 validation error detected: Value '$LATEST' at 'qualifier'")
	f.create("other")
	wantError(t, "no auth type", create("other", "", "", nil), pinfold.Invalid, invalidParameter, "AuthType must be")
	wantError(t, "auth type", create("other", "OPEN", "", nil), pinfold.Invalid, validationError, "1 validation error detected: Value 'OPEN' at 'authType'")
	wantError(t, "mode", create("other", "NONE", "FAST", nil), pinfold.Invalid, validationError, "1 validation error detected: Value 'FAST' at 'invokeMode' failed to satisfy constraint: Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]")
	wantError(t, "max age", create("other", "NONE", "", &pinfold.CORS{MaxAge: 86401}), pinfold.Invalid, validationError, "1 validation error detected: Value '86401' at 'cors.maxAge'")
	f.must(f.DeleteURL(ctx, ref("hello")))
	wantError(t, "delete twice", f.DeleteURL(ctx, ref("hello")), pinfold.NotFound, notFound, "The resource you requested does not exist.")
	wantError(t, "get", second(f.GetURL(ctx, ref("hello"))), pinfold.NotFound, notFound, "The resource you requested does not exist.")
	wantError(t, "update", second(f.UpdateURL(ctx, ref("hello"), function.URLChange{})), pinfold.NotFound, notFound, "The resource you requested does not exist.")
	f.must(f.DeleteAlias(ctx, ref("hello:live")))
	wantError(t, "the URL of a deleted alias", second(f.GetURL(ctx, ref("hello:live"))), pinfold.NotFound, notFound, "The resource you requested does not exist.")
}

// Texts: localstack/localstack, services/lambda_/provider.py.
func TestConcurrency(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.create("one")
	f.create("two")
	want := func(name string, want *int) {
		t.Helper()
		got, err := f.Concurrency(ctx, ref(name))
		if err != nil || (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("Concurrency(%s) = %v, %v; want %v", name, got, err, want)
		}
	}
	want("one", nil)
	f.must(f.SetConcurrency(ctx, ref("one"), new(0)))
	want("one", new(0))
	f.must(f.SetConcurrency(ctx, ref("one"), new(400)))
	f.must(f.SetConcurrency(ctx, ref("two"), new(500)))
	f.must(f.SetConcurrency(ctx, ref("two"), new(500))) // its own old reservation does not count
	const below = "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
	wantError(t, "too much", f.SetConcurrency(ctx, ref("two"), new(501)), pinfold.Invalid, invalidParameter, below)
	want("two", new(500))
	wantError(t, "below zero", f.SetConcurrency(ctx, ref("two"), new(-1)), pinfold.Invalid, validationError, "1 validation error detected: Value '-1' at 'reservedConcurrentExecutions'")
	wantError(t, "a version", f.SetConcurrency(ctx, ref("two:$LATEST"), new(1)), pinfold.Invalid, invalidParameter, "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
	s, err := f.AccountSettings(ctx)
	if err != nil || s.UnreservedConcurrency != 100 || s.Concurrency != 1000 || s.Functions != 2 || s.CodeSize != 2*codeA.Size || s.Unzipped != 262144000 || s.Zipped != 52428800 || s.CodeStorage != 80530636800 {
		t.Errorf("AccountSettings = %+v, %v", s, err)
	}
	f.must(f.SetConcurrency(ctx, ref("one"), nil))
	want("one", nil)
	f.must(f.SetConcurrency(ctx, ref("two"), new(900)))
}

// Text: "Code storage limit exceeded", as the Lambda guide quotes it.
func TestCodeStorage(t *testing.T) {
	f := newRegistry(t, function.Limits{CodeStorage: 3*codeA.Size + 10})
	f.create("hello")
	f.publish("hello") // a version has the code once more
	f.layer("l", codeA)
	full := func(what string, err error) {
		t.Helper()
		wantError(t, what, err, pinfold.TooLarge, "CodeStorageExceededException", "Code storage limit exceeded.")
	}
	full("Create", second(f.Create(t.Context(), function.NewFunction{Ref: ref("more"), Config: config, Code: codeA})))
	full("UpdateCode", second(f.UpdateCode(t.Context(), ref("hello"), function.CodeUpdate{Code: codeB})))
	full("PublishLayer", second(f.PublishLayer(t.Context(), function.NewLayer{Name: "l", Code: codeA})))
	f.must(second(f.UpdateConfig(t.Context(), ref("hello"), function.ConfigPatch{MemoryMB: new(256)}, "")))
	full("PublishVersion", second(f.PublishVersion(t.Context(), ref("hello"), function.Publication{})))
	f.must(f.Delete(t.Context(), ref("hello:1")))
	f.must(second(f.UpdateCode(t.Context(), ref("hello"), function.CodeUpdate{Code: codeB})))
}

// One transaction that makes, takes away and makes again is held to the limit
// all the way.
func TestCodeStorageWithinATransaction(t *testing.T) {
	f := newRegistry(t, function.Limits{CodeStorage: 3 * codeA.Size})
	err := f.store.Update(t.Context(), func(tx store.Tx) error {
		r := f.Within(tx)
		create := func(name string) error {
			return second(r.Create(t.Context(), function.NewFunction{Ref: ref(name), Config: config, Code: codeA}))
		}
		for _, name := range []string{"a", "b", "c"} {
			f.must(create(name))
		}
		wantError(t, "one too many", create("d"), pinfold.TooLarge, "CodeStorageExceededException", "Code storage limit exceeded.")
		f.must(r.Delete(t.Context(), ref("b")))
		f.must(create("d"))
		wantError(t, "again", create("e"), pinfold.TooLarge, "CodeStorageExceededException", "Code storage limit exceeded.")
		return nil
	})
	f.must(err)
	wantError(t, "after it", second(f.Create(t.Context(), function.NewFunction{Ref: ref("e"), Config: config, Code: codeA})),
		pinfold.TooLarge, "CodeStorageExceededException", "Code storage limit exceeded.")
}
