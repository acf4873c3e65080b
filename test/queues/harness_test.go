package queues

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"

	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

// sdk is AWS's client in Go. It notes which operations have succeeded.
type sdk struct {
	*sqs.Client
	mu   sync.Mutex
	done map[string]bool
}

func newSDK(p *platformtest.Platform) *sdk {
	s := &sdk{done: map[string]bool{}}
	s.Client = sqs.NewFromConfig(gosdk.Config(p), func(o *sqs.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("record", s.record), middleware.After)
		})
	})
	return s
}

func (s *sdk) record(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	out, metadata, err := next.HandleInitialize(ctx, in)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.done[awsmiddleware.GetOperationName(ctx)] = true
	}
	return out, metadata, err
}

// create creates a queue and returns its URL.
func (s *sdk) create(t testing.TB, name string, attributes map[string]string) *string {
	t.Helper()
	out, err := s.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return out.QueueUrl
}

func (s *sdk) send(t testing.TB, url *string, body string) *sqs.SendMessageOutput {
	t.Helper()
	out, err := s.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// receive receives up to ten messages, and waits for the first.
func (s *sdk) receive(t testing.TB, url *string) *sqs.ReceiveMessageOutput {
	t.Helper()
	out, err := s.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 20})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *sdk) arn(t testing.TB, url *string) *string {
	t.Helper()
	out, err := s.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []sqsName{"QueueArn"}})
	if err != nil {
		t.Fatal(err)
	}
	return aws.String(out.Attributes["QueueArn"])
}

// environ is the environment of a client that is a program of its own: the
// platform's address and root key, and nothing of the user's settings.
func environ(t testing.TB, p *platformtest.Platform) []string {
	t.Helper()
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "AWS_") {
			env = append(env, kv)
		}
	}
	nowhere := filepath.Join(t.TempDir(), "none")
	return append(env,
		"AWS_ACCESS_KEY_ID="+p.RootKey.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+p.RootKey.SecretAccessKey,
		"AWS_DEFAULT_REGION="+p.Region, "AWS_REGION="+p.Region, "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=",
		"AWS_CONFIG_FILE="+nowhere, "AWS_SHARED_CREDENTIALS_FILE="+nowhere, "AWS_EC2_METADATA_DISABLED=true",
		"PINFOLD_API="+p.Endpoints.API, "PYTHONDONTWRITEBYTECODE=1",
	)
}

// program runs a client's own test program, which must succeed.
func program(t *testing.T, p *platformtest.Platform, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, environ(t, p)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
}
