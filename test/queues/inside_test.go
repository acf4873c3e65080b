package queues

import (
	"encoding/json"
	"testing"

	"pinfold.dev/pinfold/platformtest"
)

// testInSandbox has functions use a queue with the SDK for Python that this machine
// has: the URLs that they are given work where they are, and those that they are
// handed from outside, too.
func testInSandbox(t *testing.T, p *platformtest.Platform) {
	s := newSDK(p)
	outside := s.create(t, "inside", nil)
	p.Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": `service: inside
provider: {name: aws, runtime: python3.11, timeout: 60, memorySize: 1769}
functions:
  use: {handler: app.use}
`,
		"app.py": `import boto3

def use(event, context):
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="inside")["QueueUrl"]
    for at in (url, event["url"], "inside"):
        sqs.send_message(QueueUrl=at, MessageBody=at)
    messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"])
    return messages[0]["Body"]
`,
	}))
	payload, err := json.Marshal(map[string]string{"url": *outside})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := p.Client.Invoke(t.Context(), "inside-dev-use", payload, false)
	if err != nil || answer.FunctionError != "" {
		t.Fatalf("%s, %v", answer.Payload, err)
	}
	bodies := map[string]bool{}
	for len(bodies) < 2 {
		for _, m := range s.receive(t, outside).Messages {
			bodies[*m.Body] = true
		}
	}
}
