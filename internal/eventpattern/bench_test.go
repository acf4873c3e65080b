package eventpattern_test

import (
	"fmt"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/eventpattern"
)

// event is 1 KB, as services send them.
func event() []byte {
	var detail strings.Builder
	for i := 0; detail.Len() < 580; i++ {
		fmt.Fprintf(&detail, `, "field-%02d": {"name": "value %d", "count": %d}`, i, i, i*7)
	}
	return []byte(`{"version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2", "account": "111122223333", "time": "2017-12-22T18:43:48Z", "region": "us-west-1", "resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"], "detail": {"instance-id": "i-1234567890abcdef0", "state": "terminated"` + detail.String() + `}}`)
}

func BenchmarkMatch(b *testing.B) {
	for name, pattern := range map[string]string{
		"small":    `{"source": ["aws.ec2"], "detail": {"state": ["stopped", "terminated"]}}`,
		"wildcard": `{"source": ["aws.ec2"], "detail": {"instance-id": [{"wildcard": "i-*abc*0"}], "field-03": {"count": [{"numeric": [">", 0, "<=", 50]}]}}}`,
		"or":       `{"$or": [{"source": ["aws.s3"]}, {"source": [{"prefix": "aws."}], "detail": {"state": [{"anything-but": "running"}]}}]}`,
	} {
		b.Run(name, func(b *testing.B) { benchmark(b, pattern, event()) })
	}
	b.Run("array 1MB", func(b *testing.B) {
		benchmark(b, `{"a": {"b": ["x"], "c": ["y"]}}`, []byte(`{"a": [`+strings.Repeat(`{"b": "x", "c": "z"}, `, 47_000)+`{"b": "x", "c": "y"}]}`))
	})
	b.Run("worst 1MB", func(b *testing.B) { // 961 ways, each of which fails
		var or []string
		for i := range 31 {
			or = append(or, fmt.Sprintf(`{"f%d":[1]}`, i))
		}
		ways := "[" + strings.Join(or, ",") + "]"
		p, err := eventpattern.Compile([]byte(`{"a": {"$or": ` + ways + `}, "b": {"$or": ` + ways + `}}`))
		if err != nil {
			b.Fatal(err)
		}
		e := []byte(`{"a": [` + strings.Repeat(`{"f1": 1}, `, 95_000) + `{}]}`)
		b.SetBytes(int64(len(e)))
		for b.Loop() {
			if met, err := p.Match(e); met || err != nil {
				b.Fatal(met, err)
			}
		}
	})
}

func benchmark(b *testing.B, pattern string, event []byte) {
	p, err := eventpattern.Compile([]byte(pattern))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		if met, err := p.Match(event); !met || err != nil {
			b.Fatal(met, err)
		}
	}
}
