package iam

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

func TestRootKeyIsMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	// What a start that was cut short has left, which anybody could read.
	if err := os.WriteFile(filepath.Join(dir, RootKeyFile+".new"), []byte(`{"accessKeyId":`), 0o644); err != nil {
		t.Fatal(err)
	}
	first, path, made, err := LoadRootKey(dir)
	if err != nil || !made {
		t.Fatalf("first start: made %v, %v", made, err)
	}
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(first.AccessKeyID) || len(first.SecretAccessKey) != 40 {
		t.Errorf("the key does not have AWS's form: %q and a secret of %d characters", first.AccessKeyID, len(first.SecretAccessKey))
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: mode %v, %v", info.Mode(), err)
	}
	again, _, made, err := LoadRootKey(dir)
	if err != nil || made || again != first {
		t.Errorf("second start: made %v, the same %v, %v", made, again == first, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("more than the key is left behind: %v", left)
	}
	other, _, _, err := LoadRootKey(t.TempDir())
	if err != nil || other.AccessKeyID == first.AccessKeyID || other.SecretAccessKey == first.SecretAccessKey {
		t.Errorf("two platforms have the same key, or %v", err)
	}
}

func TestRootKeyRefusals(t *testing.T) {
	for _, tc := range []struct {
		name, content string
		mode          os.FileMode
		code          pinfold.Code
		says          string
	}{
		{"readable by the group", `{"accessKeyId":"AKIAX","secretAccessKey":"s"}`, 0o640, pinfold.Denied, "chmod 600"},
		{"readable by all", `{"accessKeyId":"AKIAX","secretAccessKey":"s"}`, 0o644, pinfold.Denied, "chmod 600"},
		{"cut off", `{"accessKeyId":"AK`, 0o600, pinfold.Invalid, "delete it"},
		{"empty", ``, 0o600, pinfold.Invalid, "delete it"},
		{"no secret", `{"accessKeyId":"AKIAX"}`, 0o600, pinfold.Invalid, "delete it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, RootKeyFile)
			if err := os.WriteFile(path, []byte(tc.content), tc.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tc.mode); err != nil { // whatever the umask
				t.Fatal(err)
			}
			key, _, _, err := LoadRootKey(dir)
			if pinfold.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %q (%s), want code %s, the path, and %q", err, pinfold.CodeOf(err), tc.code, tc.says)
			}
			if key != (Credentials{}) {
				t.Error("a refused file still gave a key")
			}
		})
	}
	if _, _, _, err := LoadRootKey(filepath.Join(t.TempDir(), "gone")); pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("a folder that is not there: %v", err)
	}
}

var root = Credentials{AccessKeyID: "AKIAROOTROOTROOTROOT", SecretAccessKey: "secret"}

func version(function, role string) *pinfold.Version {
	return &pinfold.Version{
		Ref:    pinfold.FunctionRef{Account: "123456789012", Region: "us-east-1", Name: function, Qualifier: "$LATEST"},
		Config: pinfold.Config{Role: role},
	}
}

func TestLookup(t *testing.T) {
	s := New("123456789012", root)
	secret, who, ok := s.Lookup(root.AccessKeyID, "a token from somewhere else")
	if !ok || secret != "secret" || who != s.Root() || who.ARN != "arn:aws:iam::123456789012:root" || who.UserID != "123456789012" {
		t.Errorf("root: %v %+v", ok, who)
	}

	c := s.CredentialsFor(version("orders", "arn:aws:iam::123456789012:role/service-role/orders-role"))
	secret, who, ok = s.Lookup(c.AccessKeyID, c.SessionToken)
	if !ok || secret != c.SecretAccessKey {
		t.Fatalf("a function's own credentials are not known: %+v", c)
	}
	if who.Kind != pinfold.Role || who.ARN != "arn:aws:sts::123456789012:assumed-role/orders-role/orders" ||
		!strings.HasPrefix(who.UserID, "AROA") || !strings.HasSuffix(who.UserID, ":orders") || who.AccessKeyID != c.AccessKeyID {
		t.Errorf("function: %+v", who)
	}
	if len(c.AccessKeyID) != 20 || len(c.SecretAccessKey) != 40 {
		t.Errorf("the key does not have AWS's form: %+v", c)
	}
	if env := c.Env(); env["AWS_ACCESS_KEY_ID"] != c.AccessKeyID || env["AWS_SECRET_ACCESS_KEY"] != c.SecretAccessKey || env["AWS_SESSION_TOKEN"] != c.SessionToken {
		t.Errorf("environment: %v", env)
	}

	plain := s.CredentialsFor(version("orders", ""))
	if _, who, _ := s.Lookup(plain.AccessKeyID, plain.SessionToken); who.ARN != "arn:aws:sts::123456789012:assumed-role/pinfold-function/orders" {
		t.Errorf("a function without a role: %+v", who)
	}

	other := New("123456789012", root).CredentialsFor(version("orders", ""))
	forged := s.CredentialsFor(version("billing", ""))
	body, _, _ := strings.Cut(forged.SessionToken, ".")
	_, seal, _ := strings.Cut(c.SessionToken, ".")
	for name, c := range map[string]Credentials{
		"unknown key":                {AccessKeyID: "AKIANOBODYNOBODYNOBO"},
		"no key":                     {},
		"function key without token": {AccessKeyID: c.AccessKeyID},
		"another process's":          other,
		"another function's key":     {AccessKeyID: forged.AccessKeyID, SessionToken: c.SessionToken},
		"another function's seal":    {AccessKeyID: forged.AccessKeyID, SessionToken: body + "." + seal},
		"no seal":                    {AccessKeyID: forged.AccessKeyID, SessionToken: body + "."},
		"not base64":                 {AccessKeyID: forged.AccessKeyID, SessionToken: "%%.%%"},
	} {
		if _, who, ok := s.Lookup(c.AccessKeyID, c.SessionToken); ok {
			t.Errorf("%s: taken for %+v", name, who)
		}
	}
	if _, _, ok := New("123456789012", Credentials{}).Lookup("", ""); ok {
		t.Error("without a root key, no key at all is taken for root")
	}
}

func TestAuthorize(t *testing.T) {
	s := New("123456789012", root)
	c := s.CredentialsFor(version("orders", ""))
	_, function, _ := s.Lookup(c.AccessKeyID, c.SessionToken)
	gateway := pinfold.Principal{Kind: pinfold.Service, Account: "123456789012", ARN: "apigateway.amazonaws.com"}
	const ours = "arn:aws:lambda:us-east-1:123456789012:function:billing"
	const theirs = "arn:aws:lambda:us-east-1:999999999999:function:billing"
	for _, tc := range []struct {
		name   string
		who    pinfold.Principal
		action string
		on     string
		denied string // "" if allowed
	}{
		{"root creates", s.Root(), "lambda:CreateFunction", ours, ""},
		{"root lists", s.Root(), "lambda:ListFunctions", "*", ""},
		{"root reads a bucket", s.Root(), "s3:GetObject", "arn:aws:s3:::bucket/key", ""},
		{"root in another account", s.Root(), "lambda:InvokeFunction", theirs,
			"User: arn:aws:iam::123456789012:root is not authorized to perform: lambda:InvokeFunction on resource: " + theirs + " because no resource-based policy allows the lambda:InvokeFunction action"},
		{"gateway invokes", gateway, "lambda:InvokeFunction", ours, ""},
		{"gateway deletes", gateway, "lambda:DeleteFunction", ours, "User: apigateway.amazonaws.com is not authorized to perform: lambda:DeleteFunction on resource: " + ours + " because no identity-based policy allows the lambda:DeleteFunction action"},
		{"function invokes", function, "lambda:InvokeFunction", ours, ""},
		{"function asks who it is", function, "sts:GetCallerIdentity", "*", ""},
		{"function in another account", function, "lambda:InvokeFunction", theirs, "because no identity-based policy allows"},
		{"function deletes", function, "lambda:DeleteFunction", ours, "User: arn:aws:sts::123456789012:assumed-role/pinfold-function/orders is not authorized to perform: lambda:DeleteFunction on resource: " + ours},
		{"function puts events", function, "logs:PutLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/orders:log-stream:s", ""},
		{"function puts events anywhere", function, "logs:PutLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:audit:log-stream:s", ""},
		{"function puts events into another's log", function, "logs:PutLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/billing:log-stream:s", "because no identity-based policy allows"},
		{"function makes another's log", function, "logs:CreateLogGroup", "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/billing:*", "because no identity-based policy allows"},
		{"function reads its log", function, "logs:FilterLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/orders:*", "because no identity-based policy allows"},
		{"nobody asks who they are", pinfold.Principal{Kind: pinfold.Anonymous}, "sts:GetCallerIdentity", "*", "User: anonymous is not authorized"},
		{"nobody invokes", pinfold.Principal{}, "lambda:InvokeFunction", ours, "User: anonymous is not authorized to perform: lambda:InvokeFunction"},
	} {
		err := s.Authorize(t.Context(), tc.who, pinfold.Action{Name: tc.action, Resource: tc.on})
		switch {
		case tc.denied == "" && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.denied != "" && (pinfold.CodeOf(err) != pinfold.Denied || !strings.Contains(err.Error(), tc.denied)):
			t.Errorf("%s: %v, want %q", tc.name, err, tc.denied)
		}
	}
}
