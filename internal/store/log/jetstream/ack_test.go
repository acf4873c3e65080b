package jetstream

import (
	"encoding/json"
	"testing"

	"pinfold.dev/pinfold/internal/store/log"
)

// FuzzPlainAck: what is read without encoding/json is what that reads.
func FuzzPlainAck(f *testing.F) {
	for _, answer := range []string{
		`{"stream":"p_s","seq":7}`, `{"stream":"p_s","seq":18446744073709551615}`, `{"stream":"p_s","seq":0}`, `{"stream":"p_s","seq":07}`, `{"stream":"p_s","seq":+7}`,
		`{"stream":"p_s","seq":7,"duplicate":true}`, `{"stream":"p_s","domain":"d","seq":7}`, `{"stream":"p_s2","seq":7}`, `{"stream":"p_s","seq":}`, `{"stream":"p_s","seq":7`,
		`{"error":{"code":503,"err_code":10077},"stream":"p_s","seq":7}`, "",
	} {
		f.Add([]byte(answer))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		position, ok := plainAck(answer, storedAs("p_s"))
		if !ok {
			return
		}
		want := map[string]any{}
		var got uint64
		if err := json.Unmarshal(answer, &want); err != nil || len(want) != 2 || want["stream"] != "p_s" {
			t.Fatalf("%s is taken for plain: %v", answer, err)
		}
		if err := json.Unmarshal(answer, &struct {
			Seq *uint64 `json:"seq"`
		}{&got}); err != nil || got != position || got == 0 {
			t.Fatalf("%s has %d, not %d: %v", answer, got, position, err)
		}
	})
}

// The servers do answer so.
func TestAckIsPlain(t *testing.T) {
	l, err := Open(t.Context(), Options{Dir: t.TempDir(), Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := l.Stream(t.Context(), "s", log.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	own := s.(*stream)
	b := own.batch(1)
	m, err := own.message(&log.Entry{Subject: "a", Data: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	l.pipeline.send(t.Context(), b, 0, m)
	l.pipeline.wait(t.Context(), b)
	if position, ok := plainAck(b.answers[0].Data, own.storedAs); !ok || position != 1 {
		t.Errorf("the answer is %s", b.answers[0].Data)
	}
}
