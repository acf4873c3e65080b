package queue

import (
	"reflect"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/queue/policy"
)

// FuzzDecode: what is in the log may be anything; what can be read is written again
// as it was.
func FuzzDecode(f *testing.F) {
	whole := envelope{
		Message: Message{
			Body: "body", Trace: "Root=1", Group: "g", Deduplication: "d", Sender: "AIDA",
			Attributes: map[string]Attribute{"n": {Type: "Number", Text: "1"}, "b": {Type: "Binary", Binary: []byte{0, 1}}},
		},
		MD5Body: digest("body"), ID: "id", Sent: time.UnixMilli(1_700_000_000_000), Source: "arn:aws:sqs:us-east-1:000000000000:q",
	}
	f.Add(whole.encode())
	f.Add((&envelope{}).encode())
	f.Add([]byte{tagBody, 5, 'x'})
	f.Add([]byte{tagSent, 1, 'x'})
	f.Add([]byte{99, 1, 'x', tagBody, 1, 'y'})
	f.Add([]byte{tagBody, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decode(b)
		if err != nil {
			return
		}
		again, err := decode(e.encode())
		if err != nil || string(e.encode()) != string(again.encode()) {
			t.Errorf("%+v became %+v, %v", e, again, err)
		}
	})
}

// FuzzReceiptHandle: only what was given out is taken.
func FuzzReceiptHandle(f *testing.F) {
	l := &line{stamp: stamp{queue: 1, id: 2}}
	good := receipt{l.stamp, backlog.Receipt{Position: 3, Receive: 4}, time.Unix(1_700_000_000, 0)}
	f.Add(good.handle())
	f.Add(receipt{stamp{queue: 9, id: 2}, good.Receipt, good.at}.handle())
	f.Add("AQEB")
	f.Add("")
	f.Fuzz(func(t *testing.T, handle string) {
		if r, ok := l.receiptOf(handle); ok && r.handle() != handle {
			t.Errorf("%q is taken as %+v, whose handle is %q", handle, r, r.handle())
		}
	})
}

// FuzzAttributes: a policy that is taken is given out in a form that is taken, too,
// and means the same.
func FuzzAttributes(f *testing.F) {
	for _, text := range []string{
		`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":"5"}`,
		`{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-east-1:000000000000:q"]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["sqs:*"],"Resource":"*"}]}`,
		`[]`, `null`, `{}`, ``, `"x"`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"RedrivePolicy", "RedriveAllowPolicy", "Policy"} {
			q := defaults(Ref{Account: "000000000000", Region: "us-east-1", Name: "q"})
			if setAttribute(&q, name, text) != nil {
				continue
			}
			again := defaults(Ref{Account: "000000000000", Region: "us-east-1", Name: "q"})
			given, ok := attributes(&q, nil)[name]
			if err := setAttribute(&again, name, given); ok && err != nil || !reflect.DeepEqual(q, again) {
				t.Errorf("%s: %q is given out as %q: %v", name, text, given, err)
			}
			if name == "Policy" && q.Policy != "" {
				added, err := policy.Add(q.Policy, q.ARN(), policy.Permission{Label: "fuzz", Accounts: []string{"111111111111"}, Actions: []string{"*"}})
				if err == nil && policy.Check(added) != nil || err != nil && pinfold.CodeOf(err) != pinfold.Invalid {
					t.Errorf("a policy that was taken cannot be added to: %q, %q, %v", text, added, err)
				}
			}
		}
	})
}
