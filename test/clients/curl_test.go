package clients

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"pinfold.dev/pinfold/platformtest"
)

// curl signs by itself (--aws-sigv4). Debian 12's is 7.88, which signs a path
// and a query as they stand in the command, so these stand there in canonical
// form: sorted, escaped, and with a value for each name.
type curl struct {
	p *platformtest.Platform
}

// do sends a request and returns its status and what else the answer has.
func (c *curl) do(t *testing.T, service, url string, args ...string) (status int, headers, body string) {
	t.Helper()
	head, out := filepath.Join(t.TempDir(), "head"), filepath.Join(t.TempDir(), "body")
	args = append([]string{"-sS", "--max-time", "60", "-D", head, "-o", out, "-w", "%{http_code}"}, append(args, url)...)
	if service != "" {
		args = append([]string{"--aws-sigv4", "aws:amz:" + c.p.Region + ":" + service, "--user", c.p.RootKey.AccessKeyID + ":" + c.p.RootKey.SecretAccessKey}, args...)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "curl", args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, append(os.Environ(), "no_proxy=*")
	if err := cmd.Run(); err != nil {
		t.Fatalf("curl %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	if _, err := fmt.Sscan(stdout.String(), &status); err != nil {
		t.Fatal(err)
	}
	return status, strings.ToLower(c.read(t, head)), c.read(t, out)
}

// read returns what curl has written; it leaves no file for an empty answer.
func (c *curl) read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(content)
}

// wants checks an answer's status and that it says some things.
func wants(t *testing.T, what string, status, want int, answer string, texts ...string) {
	t.Helper()
	if status != want {
		t.Errorf("%s: status %d, want %d: %s", what, status, want, answer)
	}
	for _, text := range texts {
		if !strings.Contains(answer, text) {
			t.Errorf("%s: %q is not in %s", what, text, answer)
		}
	}
}

// TestCurl speaks the protocols by hand.
func TestCurl(t *testing.T) {
	t.Parallel()
	p := platformtest.Start(t)
	c, s := &curl{p}, newSDK(p)
	for name, part := range map[string]func(*testing.T, *curl, *sdk){
		"functions": curlFunctions, "identity": curlIdentity, "urls": curlURLs, "refusals": curlRefusals, "links": curlLinks,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, c, s)
		})
	}
}

func curlFunctions(t *testing.T, c *curl, _ *sdk) {
	at := c.p.Endpoints.API + "/2015-03-31/functions"
	create := filepath.Join(t.TempDir(), "create.json")
	body := fmt.Sprintf(`{"FunctionName": "by-hand", "Runtime": "nodejs20.x", "Handler": "index.handler", "Role": %q, "Code": {"ZipFile": %q}}`,
		role, base64.StdEncoding.EncodeToString(zipped(t, map[string]string{"index.js": probe})))
	if err := os.WriteFile(create, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	status, headers, answer := c.do(t, "lambda", at, "-H", "Content-Type: application/json", "--data-binary", "@"+create)
	wants(t, "create", status, 201, answer, `"FunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:by-hand"`, `"State":"Active"`)
	wants(t, "create", status, 201, headers, "content-type: application/json", "x-amzn-requestid: ")
	status, headers, answer = c.do(t, "lambda", at+"/by-hand/invocations", "-H", "X-Amz-Log-Type: Tail", "-d", `{"n": 1}`)
	wants(t, "invoke", status, 200, answer, `"event":{"n":1}`)
	wants(t, "invoke", status, 200, headers, "x-amz-executed-version: $latest", "x-amz-log-result: ")
	status, headers, answer = c.do(t, "lambda", at+"/by-hand/invocations", "-d", `{"do": "throw"}`)
	wants(t, "error", status, 200, answer, `"errorType":"TypeError"`)
	wants(t, "error", status, 200, headers, "x-amz-function-error: unhandled")
	status, _, answer = c.do(t, "lambda", at+"/by-hand/invocations?Qualifier=%24LATEST", "-H", "X-Amz-Invocation-Type: DryRun", "-X", "POST")
	if wants(t, "dry run", status, 204, answer); answer != "" {
		t.Errorf("a dry run answers %s", answer)
	}
	status, _, answer = c.do(t, "lambda", at+"/?FunctionVersion=ALL&MaxItems=1")
	wants(t, "list", status, 200, answer, `"Functions":[{`, `"FunctionName":"by-hand"`)
	status, _, answer = c.do(t, "lambda", at+"/by-hand", "-X", "DELETE")
	wants(t, "delete", status, 204, answer)
	status, headers, answer = c.do(t, "lambda", at+"/by-hand")
	wants(t, "get", status, 404, answer, `"Function not found: arn:aws:lambda:us-east-1:000000000000:function:by-hand`, `"Type":"User"`)
	wants(t, "get", status, 404, headers, "x-amzn-errortype: resourcenotfoundexception")
}

func curlIdentity(t *testing.T, c *curl, _ *sdk) {
	status, headers, answer := c.do(t, "sts", c.p.Endpoints.API+"/", "-d", "Action=GetCallerIdentity&Version=2011-06-15")
	wants(t, "a form", status, 200, answer, "<Arn>arn:aws:iam::000000000000:root</Arn>", "<Account>000000000000</Account>", "<RequestId>")
	wants(t, "a form", status, 200, headers, "content-type: text/xml")
	status, _, answer = c.do(t, "sts", c.p.Endpoints.API+"/?Action=GetCallerIdentity&Version=2011-06-15")
	wants(t, "a link", status, 200, answer, "<Arn>arn:aws:iam::000000000000:root</Arn>")
}

func curlURLs(t *testing.T, c *curl, s *sdk) {
	name := aws.String("opened")
	s.create(t, *name, nil)
	made, err := s.CreateFunctionUrlConfig(t.Context(), &lambda.CreateFunctionUrlConfigInput{FunctionName: name, AuthType: types.FunctionUrlAuthTypeNone})
	if err != nil {
		t.Fatal(err)
	}
	// curl itself knows that what is below localhost is this machine.
	status, _, answer := c.do(t, "", *made.FunctionUrl+"a?b=c", "-H", "X-Mine: yes", "-H", "Cookie: k=v", "-d", "given")
	wants(t, "anyone", status, 200, answer, `"rawPath":"/a"`, `"rawQueryString":"b=c"`, `"x-mine":"yes"`, `"cookies":["k=v"]`, `"method":"POST"`)
	if _, err := s.UpdateFunctionUrlConfig(t.Context(), &lambda.UpdateFunctionUrlConfigInput{FunctionName: name, AuthType: types.FunctionUrlAuthTypeAwsIam}); err != nil {
		t.Fatal(err)
	}
	status, _, answer = c.do(t, "", *made.FunctionUrl)
	wants(t, "anyone, signed only", status, 403, answer, `"Message":"Forbidden`)
	for what, args := range map[string][]string{"GET": nil, "POST": {"-d", "given"}, "PUT": {"-X", "PUT", "-H", "Content-Type: text/plain", "-d", "given"}} {
		status, _, answer = c.do(t, "lambda", *made.FunctionUrl+"a/b?c=d&e=f", args...)
		wants(t, "signed "+what, status, 200, answer, `"accessKey":"`+c.p.RootKey.AccessKeyID, `"method":"`+what+`"`)
	}
	// A signature is good for what was signed alone.
	status, _, answer = c.do(t, "s3", *made.FunctionUrl)
	wants(t, "signed for another service", status, 403, answer)
}

func curlRefusals(t *testing.T, c *curl, _ *sdk) {
	api := c.p.Endpoints.API
	status, headers, answer := c.do(t, "", api+"/2015-03-31/functions/")
	wants(t, "unsigned", status, 403, answer, "Missing Authentication Token")
	wants(t, "unsigned", status, 403, headers, "x-amzn-errortype: missingauthenticationtoken")
	status, _, answer = c.do(t, "lambda", api+"/2015-03-31/functions", "-d", "no json")
	wants(t, "no JSON", status, 400, answer)
	status, headers, answer = c.do(t, "lambda", api+"/2020-04-22/code-signing-configs/")
	wants(t, "unserved operation", status, 501, answer, "Pinfold does not serve ListCodeSigningConfigs of AWS Lambda yet")
	wants(t, "unserved operation", status, 501, headers, "x-amzn-errortype: notimplementedexception")
	status, _, answer = c.do(t, "sns", api+"/", "-d", "Action=ListTopics&Version=2010-03-31")
	wants(t, "unserved service", status, 501, answer, "<Code>NotImplemented</Code>", "ListTopics of Amazon Simple Notification Service")
	status, _, answer = c.do(t, "dynamodb", api+"/", "-H", "X-Amz-Target: DynamoDB_20120810.ListTables", "-H", "Content-Type: application/x-amz-json-1.0", "-d", "{}")
	wants(t, "unserved service", status, 501, answer, `"__type":"NotImplementedException"`, "ListTables of Amazon DynamoDB")
	status, _, answer = c.do(t, "s3", api+"/bucket/key")
	wants(t, "unserved service", status, 501, answer, "<Code>NotImplemented</Code>", "Amazon Simple Storage Service")
	status, _, answer = c.do(t, "", api+"/")
	wants(t, "nothing", status, 404, answer, "Pinfold cannot tell which service GET / is for")
}

// curlLinks: code is fetched by a link that carries its own permission, or part
// of it, and by no other.
func curlLinks(t *testing.T, c *curl, s *sdk) {
	s.create(t, "linked", nil)
	got, err := s.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("linked")})
	if err != nil {
		t.Fatal(err)
	}
	link := *got.Code.Location
	status, headers, answer := c.do(t, "", link)
	if wants(t, "link", status, 200, headers, "content-type: application/zip"); answer != string(zipped(t, map[string]string{"index.js": probe})) {
		t.Errorf("the link leads to %d other bytes", len(answer))
	}
	status, _, answer = c.do(t, "", link, "-r", "0-3")
	wants(t, "part", status, 206, answer, "PK\x03\x04")
	status, _, answer = c.do(t, "", strings.Replace(link, "expires=", "expires=1", 1))
	wants(t, "stretched", status, 403, answer, "this link to a code package is not valid")
}
