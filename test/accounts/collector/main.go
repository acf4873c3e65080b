// Command collector is the receiver of OpenTelemetry's own collector, by gRPC and
// by HTTP, for the test that sends it traces. On its first line it says where it
// listens, on each that follows a request as JSON. It ends with its input.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx := context.Background()
	where, traces, err := listen(ctx)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(where); err != nil {
		return err
	}
	traces.begin()
	_, _ = io.Copy(io.Discard, os.Stdin)
	return traces.Shutdown(ctx)
}

// received is a receiver that prints.
type received struct {
	receiver.Traces
	begin func()
}

// listen starts a receiver on two ports that are free. Another program may take
// one before the receiver does: then it is two others.
func listen(ctx context.Context) (where map[string]string, r received, err error) {
	for range 10 {
		where = map[string]string{"grpc": free(), "http": free()}
		if r, err = start(ctx, where); err == nil {
			return where, r, nil
		}
	}
	return nil, r, err
}

// free returns an address that nobody listens on.
func free() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err.Error() // which is no address
	}
	defer l.Close()
	return l.Addr().String()
}

func start(ctx context.Context, where map[string]string) (received, error) {
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	protocols := map[string]any{}
	for protocol, address := range where {
		protocols[protocol] = map[string]any{"endpoint": address}
	}
	if err := confmap.NewFromStringMap(map[string]any{"protocols": protocols}).Unmarshal(config); err != nil {
		return received{}, err
	}
	var lines sync.Mutex // of requests, and of the first line
	lines.Lock()
	sink, err := consumer.NewTraces(func(_ context.Context, t ptrace.Traces) error {
		line, err := new(ptrace.JSONMarshaler).MarshalTraces(t)
		if err != nil {
			return err
		}
		lines.Lock()
		defer lines.Unlock()
		_, err = fmt.Printf("%s\n", line)
		return err
	})
	if err != nil {
		return received{}, err
	}
	r, err := factory.CreateTraces(ctx, receivertest.NewNopSettings(factory.Type()), config, sink)
	if err != nil {
		return received{}, err
	}
	return received{r, lines.Unlock}, r.Start(ctx, componenttest.NewNopHost())
}
