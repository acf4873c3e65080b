package platform_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/nats-io/nats-server/v2/server"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

// Events in a server elsewhere: they outlive the platform, belong to its data folder,
// and are one process's at a time.
func TestLogElsewhere(t *testing.T) {
	nats, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), MaxPayload: 4 << 20, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	go nats.Start()
	defer func() { nats.Shutdown(); nats.WaitForShutdown() }()
	if !nats.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	config := func(data string) platform.Config {
		cfg := platform.Defaults()
		cfg.Data, cfg.API, cfg.HTTP, cfg.Log = data, "127.0.0.1:0", "127.0.0.1:0", nats.ClientURL()
		return cfg
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	data := platformtest.DataFolder(t)
	run := func(do func(*sqs.Client)) {
		t.Helper()
		p, err := platform.New(t.Context(), config(data), quiet)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		f := p.Facts()
		do(sqs.NewFromConfig(gosdk.Config(&platformtest.Platform{Facts: f, Client: client.New(f.Endpoints.API, f.Region, f.RootKey)})))
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	name, body := "kept", "hello"
	run(func(c *sqs.Client) {
		q, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := platform.New(t.Context(), config(platformtest.DataFolder(t)), quiet); pinfold.CodeOf(err) != pinfold.Conflict || !strings.Contains(err.Error(), "another data folder") {
		t.Errorf("another data folder on the same log: %v", err)
	}
	run(func(c *sqs.Client) {
		out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &name, WaitTimeSeconds: 5})
		if err != nil || len(out.Messages) != 1 || *out.Messages[0].Body != body {
			t.Errorf("the message of before: %+v, %v", out, err)
		}
	})
}
