package queues

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

// BenchmarkCycle sends, receives and deletes messages one by one with the SDK for Go,
// platform and clients in one process: -cpu 16 has 16 clients.
func BenchmarkCycle(b *testing.B) {
	p := platformtest.Start(b)
	cfg := gosdk.Config(p)
	cfg.HTTPClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	s := sqs.NewFromConfig(cfg)
	url, err := s.CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")})
	if err != nil {
		b.Fatal(err)
	}
	body := strings.Repeat("x", 256)
	b.SetParallelism(8) // of two processors' 16 clients
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := s.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: url.QueueUrl, MessageBody: &body})
			if err != nil {
				b.Error(err)
				return
			}
			out, err := s.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: url.QueueUrl, WaitTimeSeconds: 5})
			if err != nil || len(out.Messages) == 0 {
				b.Error("nothing received: ", err)
				return
			}
			if _, err := s.DeleteMessage(b.Context(), &sqs.DeleteMessageInput{QueueUrl: url.QueueUrl, ReceiptHandle: out.Messages[0].ReceiptHandle}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
}
