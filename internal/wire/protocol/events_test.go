package protocol_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/eventstream"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/protocol"
	"pinfold.dev/pinfold/internal/wire/protocol/internal/logstest"
	"pinfold.dev/pinfold/internal/wire/protocol/internal/s3test"
)

type (
	selecting = protocol.Events[s3test.SelectObjectContentOutput, s3test.SelectObjectContentEventStream]
	tailing   = protocol.Events[logstest.StartLiveTailResponse, logstest.StartLiveTailResponseStream]
)

// selector serves one operation of S3, and tailer one of CloudWatch Logs.
type selector struct {
	s3test.API
	answer func(*selecting) error
}

func (s selector) SelectObjectContent(_ context.Context, _ *s3test.SelectObjectContentRequest, events *selecting) error {
	return s.answer(events)
}

type tailer struct{ answer func(*tailing) error }

func (l tailer) StartLiveTail(_ context.Context, _ *logstest.StartLiveTailRequest, events *tailing) error {
	return l.answer(events)
}

// TestEventsOfRESTXML has AWS's client read blobs, documents and empty events
// while the server waits for it to have read the one before.
func TestEventsOfRESTXML(t *testing.T) {
	read := make(chan struct{})
	client := s3.NewFromConfig(listen(t, &s3test.Model, selector{answer: func(events *selecting) error {
		events.Begin(&s3test.SelectObjectContentOutput{})
		for _, e := range []s3test.SelectObjectContentEventStream{
			{Records: &s3test.RecordsEvent{Payload: []byte("\x00\xff")}},
			{Records: &s3test.RecordsEvent{}},
			{Cont: &s3test.ContinuationEvent{}},
			{Stats: &s3test.StatsEvent{Details: &s3test.Stats{BytesReturned: new(int64(2))}}},
			{},
			{End: &s3test.EndEvent{}},
		} {
			if err := events.Send(&e); err != nil {
				t.Error(err)
			}
			if e != (s3test.SelectObjectContentEventStream{}) {
				<-read
			}
		}
		return nil
	}}), func(o *s3.Options) { o.UsePathStyle = true })
	out, err := client.SelectObjectContent(t.Context(), selectInput())
	if err != nil {
		t.Fatal(err)
	}
	defer out.GetStream().Close()
	var got []string
	for e := range out.GetStream().Events() {
		read <- struct{}{}
		switch e := e.(type) {
		case *s3types.SelectObjectContentEventStreamMemberRecords:
			got = append(got, "Records "+hex.EncodeToString(e.Value.Payload))
		case *s3types.SelectObjectContentEventStreamMemberStats:
			if *e.Value.Details.BytesReturned == 2 {
				got = append(got, "Stats 2")
			}
		case *s3types.SelectObjectContentEventStreamMemberCont:
			got = append(got, "Cont")
		case *s3types.SelectObjectContentEventStreamMemberEnd:
			got = append(got, "End")
		}
	}
	if all := strings.Join(got, ", "); all != "Records 00ff, Records , Cont, Stats 2, End" || out.GetStream().Err() != nil {
		t.Errorf("read %s, %v", all, out.GetStream().Err())
	}
}

func selectInput() *s3.SelectObjectContentInput {
	return &s3.SelectObjectContentInput{
		Bucket: aws.String("b"), Key: aws.String("k"), Expression: aws.String("select * from s3object"), ExpressionType: s3types.ExpressionTypeSql,
		InputSerialization:  &s3types.InputSerialization{JSON: &s3types.JSONInput{Type: s3types.JSONTypeLines}},
		OutputSerialization: &s3types.OutputSerialization{JSON: &s3types.JSONOutput{}},
	}
}

func TestErrorsOfEventStreams(t *testing.T) {
	broken := pinfold.Errorf(pinfold.Unavailable, "no more")
	for name, begin := range map[string]bool{"before the stream": false, "in the stream": true} {
		t.Run(name, func(t *testing.T) {
			client := s3.NewFromConfig(listen(t, &s3test.Model, selector{answer: func(events *selecting) error {
				if begin {
					events.Begin(&s3test.SelectObjectContentOutput{})
				}
				return broken
			}}), func(o *s3.Options) { o.UsePathStyle = true })
			out, err := client.SelectObjectContent(t.Context(), selectInput())
			if begin && err == nil {
				for range out.GetStream().Events() {
					t.Error("an event")
				}
				err = out.GetStream().Err()
			}
			if err == nil || !strings.Contains(err.Error(), "ServiceUnavailable") || !strings.Contains(err.Error(), "no more") {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// TestEventsOfJSON reads the messages of a protocol that has no headers of its own.
func TestEventsOfJSON(t *testing.T) {
	got := tail(t, func(events *tailing) error {
		events.Begin(&logstest.StartLiveTailResponse{})
		err := events.Send(&logstest.StartLiveTailResponseStream{SessionStart: &logstest.LiveTailSessionStart{SessionId: new("s")}})
		if err != nil {
			t.Error(err)
		}
		return pinfold.Errorf(pinfold.Timeout, "it is over").WithReason("SessionTimeoutException")
	})
	want := []string{
		`:event-type=initial-response :content-type=application/json :message-type=event {}`,
		`:event-type=sessionStart :content-type=application/json :message-type=event {"sessionId":"s"}`,
		`:exception-type=SessionTimeoutException :content-type=application/x-amz-json-1.1 :message-type=exception {"__type":"SessionTimeoutException","message":"it is over"}`,
	}
	equal(t, "messages", want, got)
	got = tail(t, func(events *tailing) error {
		events.Begin(&logstest.StartLiveTailResponse{})
		return io.ErrUnexpectedEOF
	})
	equal(t, "messages", []string{want[0], `:error-code=InternalFailure :message-type=error :error-message=unexpected EOF `}, got)
	equal(t, "messages of who says nothing", want[:1], tail(t, func(*tailing) error { return nil }))
}

// tail returns the messages of an answer of CloudWatch Logs.
func tail(t *testing.T, answer func(*tailing) error) []string {
	t.Helper()
	s, err := protocol.NewServer(&logstest.Model, tailer{answer}, protocol.Options{Authorize: allow, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("X-Amz-Target", "Logs_20140328.StartLiveTail")
	s.Serve(w, r, []byte(`{"logGroupIdentifiers":["arn:aws:logs:us-east-1:000000000000:log-group:a"]}`))
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/vnd.amazon.eventstream" || !w.Flushed {
		t.Fatalf("answer %d %v %s", w.Code, w.Header(), w.Body)
	}
	return messages(t, w.Body.Bytes())
}

// messages decodes an event stream.
func messages(t *testing.T, wire []byte) []string {
	t.Helper()
	var all []string
	d, in := eventstream.NewDecoder(), bytes.NewReader(wire)
	for in.Len() > 0 {
		m, err := d.Decode(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		line := ""
		for _, h := range m.Headers {
			line += h.Name + "=" + h.Value.String() + " "
		}
		all = append(all, line+string(m.Payload))
	}
	return all
}
