package async

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"pinfold.dev/pinfold"
)

// deliveryAge is for how long a destination is tried that does not take what it is
// sent. It is Pinfold's own: AWS counts a DestinationDeliveryFailure and forgets it.
const deliveryAge = 24 * time.Hour

// response is what came of an attempt, as records have it.
type response struct {
	status        int // 200: the function ran; 0: nothing is known
	version       string
	functionError string
	payload       []byte
	err           error // why the function did not run
}

// maxRemembered is how many bytes of a response are kept until the next attempt.
const maxRemembered = 16 << 10

// small returns the response as it is remembered.
func (r response) small() response {
	if len(r.payload) > maxRemembered {
		r.payload = nil
	}
	return r
}

// message says what went wrong.
func (r *response) message() string {
	if r.err != nil {
		return r.err.Error()
	}
	var envelope struct {
		Message string `json:"errorMessage"`
	}
	if r.functionError == "" {
		return ""
	}
	if json.Unmarshal(r.payload, &envelope) != nil {
		return string(r.payload[:min(len(r.payload), maxErrorMessage)])
	}
	return envelope.Message
}

// record is what a destination gets. Source: "Capturing records of Lambda
// asynchronous invocations", Lambda developer guide, and
// tests/aws/services/lambda_/test_lambda_destinations.snapshot.json in
// localstack/localstack, recorded from AWS.
type record struct {
	Version         string           `json:"version"`
	Timestamp       string           `json:"timestamp"`
	RequestContext  requestContext   `json:"requestContext"`
	RequestPayload  json.RawMessage  `json:"requestPayload,omitempty"`
	ResponseContext *responseContext `json:"responseContext,omitempty"`
	ResponsePayload json.RawMessage  `json:"responsePayload,omitempty"`
}

type requestContext struct {
	RequestID   string `json:"requestId"`
	FunctionARN string `json:"functionArn"`
	Condition   string `json:"condition"`
	Count       int    `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion,omitempty"`
	FunctionError   string `json:"functionError,omitempty"`
}

// recordOf writes the record of an event. Where it is more than a destination takes
// it has no payload of the response and, if need be, none of the request.
func recordOf(ref pinfold.FunctionRef, it *item, condition string, attempts int, r response) []byte {
	if ref.Qualifier == "" {
		ref.Qualifier = pinfold.LatestVersion
	}
	rec := record{
		Version: "1.0", Timestamp: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		RequestContext: requestContext{it.ID, ref.ARN(), condition, attempts}, RequestPayload: it.payload,
	}
	if r.status != 0 {
		rec.ResponseContext = &responseContext{r.status, r.version, r.functionError}
	}
	if json.Valid(r.payload) { // or else it was a stream of something
		rec.ResponsePayload = r.payload
	}
	if len(rec.RequestPayload)+len(rec.ResponsePayload) > maxPayloads {
		rec.ResponsePayload = nil
	}
	if len(rec.RequestPayload) > maxPayloads {
		rec.RequestPayload = nil
	}
	body, err := json.Marshal(rec)
	if err != nil { // the event is not JSON: a part of the platform sent it
		rec.RequestPayload, _ = json.Marshal(string(it.payload))
		body, _ = json.Marshal(rec)
	}
	return body
}

// maxPayloads is how many bytes of payloads a record has: what a queue or a
// function takes, less what is around them.
const maxPayloads = pinfold.MaxAsyncPayload - 4<<10

// succeed sends the record of an event that its function has taken.
func (s *Service) succeed(ctx context.Context, p *pump, t *task, rules rules, r response) verdict {
	var all []item
	if rules.onSuccess != "" {
		body := recordOf(p.ref.With(t.Qualifier), &t.item, success, t.Receive, r)
		all = append(all, t.delivery(rules.onSuccess, "success", body))
	}
	return s.deliverAll(ctx, p, t, &p.ended.succeeded, all...)
}

// giveUp ends an event without success: to its destination and its dead-letter
// queue, or, where it has neither, to those that can be looked at for a while.
func (s *Service) giveUp(ctx context.Context, p *pump, t *task, rules rules, condition string, attempts int, r response) verdict {
	ref := p.ref.With(t.Qualifier)
	deadLetter, err := s.deadLetter(ctx, ref)
	if err != nil {
		return verdict{then: giveBack}
	}
	var all []item
	if rules.onFailure != "" {
		all = append(all, t.delivery(rules.onFailure, "failure", recordOf(ref, &t.item, condition, attempts, r)))
	}
	if deadLetter != "" {
		it := t.delivery(deadLetter, "dead-letter", t.payload)
		it.Delivery.Attributes, it.Delivery.Numbers = letterAttributes(t.ID, r)
		all = append(all, it)
	}
	if len(all) == 0 {
		it := t.item
		it.Accepted = t.Sent
		if s.keep(ctx, p.ref, it, failure{condition, r.message(), attempts}) != nil {
			return verdict{then: giveBack}
		}
	}
	return s.deliverAll(ctx, p, t, &p.ended.givenUp, all...)
}

// deadLetter returns where a version's dead letters go.
func (s *Service) deadLetter(ctx context.Context, ref pinfold.FunctionRef) (arn string, err error) {
	err = s.insist(ctx, func(ctx context.Context) error {
		v, err := s.o.Functions.Resolve(ctx, ref)
		if err == nil {
			arn = v.Config.DeadLetter
		}
		if pinfold.CodeOf(err) == pinfold.NotFound {
			return nil
		}
		return err
	})
	return arn, err
}

// maxErrorMessage is how many bytes of an error a dead letter has. Source:
// "Dead-letter queues", Lambda developer guide: "The first 1 KB of the error message."
const maxErrorMessage = 1024

// letterAttributes are what a dead letter has beside the event. Their types are
// those that localstack/localstack recorded from AWS.
func letterAttributes(id string, r response) (texts, numbers map[string]string) {
	texts = map[string]string{"RequestID": id}
	message := strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0xFFFE || c == 0xFFFF {
			return utf8.RuneError // a queue refuses what XML has no way to write
		}
		return c
	}, r.message())
	if len(message) > maxErrorMessage {
		for message = message[:maxErrorMessage]; !utf8.ValidString(message); {
			message = message[:len(message)-1]
		}
	}
	if message != "" {
		texts["ErrorMessage"] = message
	}
	if r.status != 0 {
		numbers = map[string]string{"ErrorCode": strconv.Itoa(r.status)}
	}
	return texts, numbers
}

// delivery returns what is sent to a destination because of an event.
func (t *task) delivery(to, kind string, body []byte) item {
	return item{
		ID: t.ID, Qualifier: t.Qualifier, Principal: t.Principal, TraceID: t.TraceID, TraceState: t.TraceState, Accepted: t.Sent,
		Delivery: &delivery{To: to, ID: kind + "-" + strconv.FormatUint(t.Position, 10) + "-" + t.ID}, payload: body,
	}
}

// deliverAll sends what there is to be sent when an event has ended, and keeps what
// is not taken at once.
func (s *Service) deliverAll(ctx context.Context, p *pump, t *task, ended *atomic.Uint64, all ...item) verdict {
	for _, it := range all {
		err := s.deliver(ctx, p.ref, &it)
		switch {
		case err == nil:
			continue
		case pinfold.CodeOf(err) == pinfold.TooLarge: // and always will be
			p.ended.undelivered.Add(1)
			err = s.keep(ctx, p.ref, it, failure{Error: err.Error(), Attempts: 1})
		default:
			err = s.insist(ctx, func(ctx context.Context) error { return s.store(ctx, deliveries, p.ref, it, it.Delivery.ID) })
		}
		if err != nil {
			return verdict{then: giveBack} // the service closes
		}
	}
	ended.Add(1)
	return verdict{}
}

// deliver sends one message.
func (s *Service) deliver(ctx context.Context, ref pinfold.FunctionRef, it *item) error {
	d := it.Delivery
	return s.o.Sender.SendEvent(ctx, pinfold.Principal{Kind: pinfold.Service, Account: ref.Account, ARN: "lambda.amazonaws.com"}, d.To, pinfold.EventMessage{
		Body: it.payload, Attributes: maps.Clone(d.Attributes), Numbers: maps.Clone(d.Numbers), ID: d.ID, TraceID: it.TraceID,
		Trigger: pinfold.Trigger{Kind: "async", Source: ref.ARN()},
	})
}

// send is one attempt at what a destination has not taken yet.
func (s *Service) send(ctx context.Context, p *pump, t *task) verdict {
	err := s.deliver(ctx, p.ref, &t.item)
	switch {
	case err == nil:
		return verdict{ending: ran}
	case ctx.Err() != nil:
		return verdict{then: giveBack}
	case pinfold.CodeOf(err) != pinfold.TooLarge && time.Since(t.Sent) < deliveryAge:
		return verdict{then: again, after: waitAfter(t.Receive), ending: broken, note: note{response: response{err: err}}}
	}
	if s.keep(ctx, p.ref, t.item, failure{Error: err.Error(), Attempts: t.Receive}) != nil {
		return verdict{then: giveBack}
	}
	p.ended.undelivered.Add(1)
	return verdict{}
}
