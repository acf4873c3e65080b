package apps_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app/serverless"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

// TestOrders deploys the example with a schedule, a queue, a dead-letter queue and
// destinations, has it work and fail, changes it, and removes it.
func TestOrders(t *testing.T) {
	const example = "../../examples/orders"
	p := platformtest.Start(t)
	d := deploy(t, p, example, serverless.Options{})
	d.unserved(t)
	if len(d.Queues) != 2 || len(d.Mappings) != 1 || len(d.Schedules) != 1 || !d.Schedules[0].Enabled {
		t.Fatalf("%+v", d.Deployed)
	}
	if _, err := p.Client.InvokeAsync(t.Context(), "orders-dev-order", []byte(`{"sheep": 2}`)); err != nil {
		t.Fatal(err)
	}
	for line, err := range p.Client.Logs(t.Context(), client.LogQuery{Functions: []string{"orders-dev-pack"}, Filter: "packed 2 sheep", Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line.Text, "packed 2 sheep") {
			break
		}
	}

	hasty := filepath.Join(t.TempDir(), "orders")
	if err := os.CopyFS(hasty, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(hasty, "serverless.yml")
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manifest, []byte(strings.Replace(string(text), "maximumRetryAttempts: 1", "maximumRetryAttempts: 0", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	d = deploy(t, p, hasty, serverless.Options{})
	if _, err := p.Client.InvokeAsync(t.Context(), "orders-dev-order", []byte(`{"sheep": "many"}`)); err != nil {
		t.Fatal(err)
	}
	refused(t, p, d)

	// What nobody has looked at is not thrown away.
	if err := p.Client.Remove(t.Context(), "orders", "dev"); pinfold.CodeOf(err) != pinfold.Conflict || !strings.Contains(err.Error(), "has 1 message") {
		t.Errorf("removal with a message in a queue: %v", err)
	}
	if apps, err := p.Client.Apps(t.Context()); err != nil || len(apps) != 1 || len(apps[0].Queues) != 2 || len(apps[0].Functions) != 2 {
		t.Errorf("%+v %v", apps, err)
	}
	if err := p.Client.Remove(t.Context(), "orders", "dev", client.Force); err != nil {
		t.Error(err)
	}
	queues, err := sqs.NewFromConfig(gosdk.Config(p)).ListQueues(t.Context(), nil)
	if err != nil || len(queues.QueueUrls) != 0 {
		t.Errorf("%+v %v", queues, err)
	}
}

// refused waits for the record of an invocation that failed, and leaves it where it is.
func refused(t *testing.T, p *platformtest.Platform, d *deployed) {
	t.Helper()
	var url string
	for _, o := range d.Outputs {
		if o.Name == "Refused" {
			url = o.Value
		}
	}
	got, err := sqs.NewFromConfig(gosdk.Config(p)).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20, VisibilityTimeout: 0})
	if err != nil || len(got.Messages) != 1 {
		t.Fatalf("%+v %v", got, err)
	}
	var record struct {
		RequestContext struct{ Condition string }
		RequestPayload struct{ Sheep string }
	}
	if err := json.Unmarshal([]byte(aws.ToString(got.Messages[0].Body)), &record); err != nil || record.RequestContext.Condition != "RetriesExhausted" || record.RequestPayload.Sheep != "many" {
		t.Errorf("%s: %v", aws.ToString(got.Messages[0].Body), err)
	}
}
