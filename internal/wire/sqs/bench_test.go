package sqs_test

import (
	"strconv"
	"strings"
	"testing"
)

// BenchmarkCycle is what the server itself costs to send, receive and delete one
// message: listener's mux, wire and service over a log in memory, without the network
// and signatures.
func BenchmarkCycle(b *testing.B) {
	for _, fifo := range []bool{false, true} {
		b.Run(map[bool]string{false: "standard", true: "fifo"}[fifo], func(b *testing.B) {
			s := newServer(b)
			s.permit.quiet = true
			name, send := "q", `{"QueueUrl":"http://localhost:4566/000000000000/q","MessageBody":"`+strings.Repeat("x", 256)+`"`
			if fifo {
				name = "q.fifo"
				s.json("CreateQueue", `{"QueueName":"q.fifo","Attributes":{"FifoQueue":"true"}}`)
			} else {
				s.json("CreateQueue", `{"QueueName":"q"}`)
			}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				body := send + "}"
				if fifo {
					n++
					body = strings.Replace(send, "/q\"", "/q.fifo\"", 1) + `,"MessageGroupId":"g","MessageDeduplicationId":"` + strconv.Itoa(n) + `"}`
				}
				if w := s.json("SendMessage", body); w.Code != 200 {
					b.Fatal(w.Body)
				}
				w := s.json("ReceiveMessage", `{"QueueUrl":"http://localhost:4566/000000000000/`+name+`","MaxNumberOfMessages":1,"WaitTimeSeconds":1}`)
				handle := handlePattern.FindString(w.Body.String())
				if w := s.json("DeleteMessage", `{"QueueUrl":"http://localhost:4566/000000000000/`+name+`","ReceiptHandle":"`+handle+`"}`); w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
