package sqs_test

import (
	"encoding/json"
	"encoding/xml"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// TestOperationsInBothProtocols goes through every operation, in JSON and in the
// query protocol. {H} stands for the receipt handle that was seen last, {T} for the
// handle of a move task.
func TestOperationsInBothProtocols(t *testing.T) {
	inJSON, inQuery := newServer(t), newServer(t)
	const at = "http://localhost:4566/000000000000/"
	for _, c := range []struct {
		operation, json, answer string
		form, xml               string // of the query protocol; xml is inside of the Result element
	}{
		{"CreateQueue", `{"QueueName":"dead","tags":{"a":"b"}}`, `{"QueueUrl":"` + at + `dead"}`,
			"QueueName=dead&Tag.1.Key=a&Tag.1.Value=b", `<QueueUrl>` + at + `dead</QueueUrl>`},
		{"CreateQueue", `{"QueueName":"q","Attributes":{"VisibilityTimeout":"60","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\",\"maxReceiveCount\":\"1000\"}"}}`, `{"QueueUrl":"` + at + `q"}`,
			"QueueName=q&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=60&Attribute.2.Name=RedrivePolicy&Attribute.2.Value=" + escape(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1000}`), `<QueueUrl>` + at + `q</QueueUrl>`},
		{"GetQueueUrl", `{"QueueName":"q"}`, `{"QueueUrl":"` + at + `q"}`, "QueueName=q", `<QueueUrl>` + at + `q</QueueUrl>`},
		{"ListQueues", `{"QueueNamePrefix":"","MaxResults":1}`, `{"NextToken":"ZGVhZA","QueueUrls":["` + at + `dead"]}`,
			"MaxResults=1", `<NextToken>ZGVhZA</NextToken><QueueUrl>` + at + `dead</QueueUrl>`},
		{"ListQueues", `{"MaxResults":1,"NextToken":"ZGVhZA"}`, `{"QueueUrls":["` + at + `q"]}`, "MaxResults=1&NextToken=ZGVhZA", `<QueueUrl>` + at + `q</QueueUrl>`},
		{"ListDeadLetterSourceQueues", `{"QueueUrl":"dead"}`, `{"queueUrls":["` + at + `q"]}`, "QueueUrl=dead", `<QueueUrl>` + at + `q</QueueUrl>`},
		{"SetQueueAttributes", `{"QueueUrl":"q","Attributes":{"DelaySeconds":"0"}}`, `{}`, "QueueUrl=q&Attribute.Name=DelaySeconds&Attribute.Value=0", ""},
		{"GetQueueAttributes", `{"QueueUrl":"q","AttributeNames":["VisibilityTimeout","QueueArn"]}`, `{"Attributes":{"QueueArn":"arn:aws:sqs:us-east-1:000000000000:q","VisibilityTimeout":"60"}}`,
			"QueueUrl=q&AttributeName.1=VisibilityTimeout&AttributeName.2=QueueArn", `<Attribute><Name>QueueArn</Name><Value>arn:aws:sqs:us-east-1:000000000000:q</Value></Attribute><Attribute><Name>VisibilityTimeout</Name><Value>60</Value></Attribute>`},
		{"TagQueue", `{"QueueUrl":"q","Tags":{"k":"v"}}`, `{}`, "QueueUrl=q&Tag.1.Key=k&Tag.1.Value=v", ""},
		{"ListQueueTags", `{"QueueUrl":"q"}`, `{"Tags":{"k":"v"}}`, "QueueUrl=q", `<Tag><Key>k</Key><Value>v</Value></Tag>`},
		{"UntagQueue", `{"QueueUrl":"q","TagKeys":["k"]}`, `{}`, "QueueUrl=q&TagKey.1=k", ""},
		{"AddPermission", `{"QueueUrl":"q","Label":"l","AWSAccountIds":["111111111111"],"Actions":["SendMessage"]}`, `{}`, "QueueUrl=q&Label=l&AWSAccountId.1=111111111111&ActionName.1=SendMessage", ""},
		{"GetQueueAttributes", `{"QueueUrl":"q","AttributeNames":["Policy"]}`,
			`{"Attributes":{"Policy":"{\"Version\":\"2008-10-17\",\"Id\":\"arn:aws:sqs:us-east-1:000000000000:q/SQSDefaultPolicy\",\"Statement\":[{\"Sid\":\"l\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111111111111:root\"},\"Action\":\"SQS:SendMessage\",\"Resource\":\"arn:aws:sqs:us-east-1:000000000000:q\"}]}"}}`,
			"QueueUrl=q&AttributeName=QueueArn", `<Attribute><Name>QueueArn</Name><Value>arn:aws:sqs:us-east-1:000000000000:q</Value></Attribute>`},
		{"RemovePermission", `{"QueueUrl":"q","Label":"l"}`, `{}`, "QueueUrl=q&Label=l", ""},
		{"SendMessage", `{"QueueUrl":"` + at + `q","MessageBody":"Test Message","MessageAttributes":{"Hello":{"DataType":"String","StringValue":"World"}},"MessageSystemAttributes":{"AWSTraceHeader":{"DataType":"String","StringValue":"some-trace-id"}}}`,
			`{"MD5OfMessageAttributes":"7db7fb1ba7f41366a8ea5eb18220b26d","MD5OfMessageBody":"d1d4180b7e411c4be86b00fb2ee103eb","MD5OfMessageSystemAttributes":"fdce4f2818803f2f73becc09a54792c0","MessageId":"UUID"}`,
			"QueueUrl=" + escape(at+"q") + "&MessageBody=Test+Message&MessageAttribute.1.Name=Hello&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=World&MessageSystemAttribute.1.Name=AWSTraceHeader&MessageSystemAttribute.1.Value.DataType=String&MessageSystemAttribute.1.Value.StringValue=some-trace-id",
			`<MD5OfMessageAttributes>7db7fb1ba7f41366a8ea5eb18220b26d</MD5OfMessageAttributes><MD5OfMessageBody>d1d4180b7e411c4be86b00fb2ee103eb</MD5OfMessageBody><MD5OfMessageSystemAttributes>fdce4f2818803f2f73becc09a54792c0</MD5OfMessageSystemAttributes><MessageId>UUID</MessageId>`},
		{"ReceiveMessage", `{"QueueUrl":"q","AttributeNames":["All"],"MessageAttributeNames":["All"]}`,
			`{"Messages":[{"Attributes":{"AWSTraceHeader":"some-trace-id","ApproximateFirstReceiveTimestamp":"MILLIS","ApproximateReceiveCount":"1","SenderId":"000000000000","SentTimestamp":"MILLIS"},"Body":"Test Message","MD5OfBody":"d1d4180b7e411c4be86b00fb2ee103eb","MD5OfMessageAttributes":"7db7fb1ba7f41366a8ea5eb18220b26d","MessageAttributes":{"Hello":{"DataType":"String","StringValue":"World"}},"MessageId":"UUID","ReceiptHandle":"HANDLE"}]}`,
			"QueueUrl=q&AttributeName.1=All&MessageAttributeName.1=All",
			`<Message><Attribute><Name>AWSTraceHeader</Name><Value>some-trace-id</Value></Attribute><Attribute><Name>ApproximateFirstReceiveTimestamp</Name><Value>MILLIS</Value></Attribute><Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute><Attribute><Name>SenderId</Name><Value>000000000000</Value></Attribute><Attribute><Name>SentTimestamp</Name><Value>MILLIS</Value></Attribute><Body>Test Message</Body><MD5OfBody>d1d4180b7e411c4be86b00fb2ee103eb</MD5OfBody><MD5OfMessageAttributes>7db7fb1ba7f41366a8ea5eb18220b26d</MD5OfMessageAttributes><MessageAttribute><Name>Hello</Name><Value><DataType>String</DataType><StringValue>World</StringValue></Value></MessageAttribute><MessageId>UUID</MessageId><ReceiptHandle>HANDLE</ReceiptHandle></Message>`},
		{"ChangeMessageVisibility", `{"QueueUrl":"q","ReceiptHandle":"{H}","VisibilityTimeout":100}`, `{}`, "QueueUrl=q&ReceiptHandle={H}&VisibilityTimeout=100", ""},
		{"ChangeMessageVisibilityBatch", `{"QueueUrl":"q","Entries":[{"Id":"a","ReceiptHandle":"{H}","VisibilityTimeout":100},{"Id":"b","ReceiptHandle":"bad","VisibilityTimeout":1}]}`,
			`{"Failed":[{"Code":"ReceiptHandleIsInvalid","Id":"b","Message":"The input receipt handle \"bad\" is not a valid receipt handle.","SenderFault":true}],"Successful":[{"Id":"a"}]}`,
			"QueueUrl=q&ChangeMessageVisibilityBatchRequestEntry.1.Id=a&ChangeMessageVisibilityBatchRequestEntry.1.ReceiptHandle={H}&ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout=100",
			`<ChangeMessageVisibilityBatchResultEntry><Id>a</Id></ChangeMessageVisibilityBatchResultEntry>`},
		{"DeleteMessage", `{"QueueUrl":"q","ReceiptHandle":"{H}"}`, `{}`, "QueueUrl=q&ReceiptHandle={H}", ""},
		{"SendMessageBatch", `{"QueueUrl":"q","Entries":[{"Id":"a","MessageBody":"one"},{"Id":"b","MessageBody":"two","DelaySeconds":901}]}`,
			`{"Failed":[{"Code":"InvalidParameterValue","Id":"b","Message":"Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.","SenderFault":true}],"Successful":[{"Id":"a","MD5OfMessageBody":"f97c5d29941bfb1b2fdab0874906ab82","MessageId":"UUID"}]}`,
			"QueueUrl=q&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=one&SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=two&SendMessageBatchRequestEntry.2.DelaySeconds=901",
			`<BatchResultErrorEntry><Code>InvalidParameterValue</Code><Id>b</Id><Message>Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be &gt;= 0 and &lt;= 900.</Message><SenderFault>true</SenderFault></BatchResultErrorEntry><SendMessageBatchResultEntry><Id>a</Id><MD5OfMessageBody>f97c5d29941bfb1b2fdab0874906ab82</MD5OfMessageBody><MessageId>UUID</MessageId></SendMessageBatchResultEntry>`},
		{"ReceiveMessage", `{"QueueUrl":"q","MaxNumberOfMessages":10}`, `{"Messages":[{"Body":"one","MD5OfBody":"f97c5d29941bfb1b2fdab0874906ab82","MessageId":"UUID","ReceiptHandle":"HANDLE"}]}`,
			"QueueUrl=q&MaxNumberOfMessages=10", `<Message><Body>one</Body><MD5OfBody>f97c5d29941bfb1b2fdab0874906ab82</MD5OfBody><MessageId>UUID</MessageId><ReceiptHandle>HANDLE</ReceiptHandle></Message>`},
		{"DeleteMessageBatch", `{"QueueUrl":"q","Entries":[{"Id":"a","ReceiptHandle":"{H}"}]}`, `{"Successful":[{"Id":"a"}]}`,
			"QueueUrl=q&DeleteMessageBatchRequestEntry.1.Id=a&DeleteMessageBatchRequestEntry.1.ReceiptHandle={H}", `<DeleteMessageBatchResultEntry><Id>a</Id></DeleteMessageBatchResultEntry>`},
		{"ReceiveMessage", `{"QueueUrl":"q"}`, `{}`, "QueueUrl=q", ` `},
		{"StartMessageMoveTask", `{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:dead","MaxNumberOfMessagesPerSecond":5}`, `{"TaskHandle":"{T}"}`,
			"SourceArn=arn:aws:sqs:us-east-1:000000000000:dead&MaxNumberOfMessagesPerSecond=5", `<TaskHandle>{T}</TaskHandle>`},
		{"ListMessageMoveTasks", `{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:dead"}`,
			`{"Results":[{"ApproximateNumberOfMessagesMoved":0,"ApproximateNumberOfMessagesToMove":0,"MaxNumberOfMessagesPerSecond":5,"SourceArn":"arn:aws:sqs:us-east-1:000000000000:dead","StartedTimestamp":MILLIS,"Status":"RUNNING","TaskHandle":"{T}"}]}`,
			"SourceArn=arn:aws:sqs:us-east-1:000000000000:dead", `<ListMessageMoveTasksResultEntry><ApproximateNumberOfMessagesMoved>0</ApproximateNumberOfMessagesMoved><ApproximateNumberOfMessagesToMove>0</ApproximateNumberOfMessagesToMove><MaxNumberOfMessagesPerSecond>5</MaxNumberOfMessagesPerSecond><SourceArn>arn:aws:sqs:us-east-1:000000000000:dead</SourceArn><StartedTimestamp>MILLIS</StartedTimestamp><Status>RUNNING</Status><TaskHandle>{T}</TaskHandle></ListMessageMoveTasksResultEntry>`},
		{"CancelMessageMoveTask", `{"TaskHandle":"{T}"}`, `{"ApproximateNumberOfMessagesMoved":0}`, "TaskHandle={T}", `<ApproximateNumberOfMessagesMoved>0</ApproximateNumberOfMessagesMoved>`},
		{"PurgeQueue", `{"QueueUrl":"q"}`, `{}`, "QueueUrl=q", ""},
		{"DeleteQueue", `{"QueueUrl":"q"}`, `{}`, "QueueUrl=q", ""},
	} {
		w := inJSON.json(c.operation, inJSON.fill(c.json))
		if got := inJSON.body(w); got != c.answer || w.Code != 200 {
			t.Errorf("%s %s\n got %d %s\nwant %s", c.operation, c.json, w.Code, got, c.answer)
		}
		w = inQuery.query("/", "Action="+c.operation+"&Version=2012-11-05&"+inQuery.fill(c.form))
		want := `<` + c.operation + `Response xmlns="http://queue.amazonaws.com/doc/2012-11-05/">`
		if c.xml != "" {
			want += "<" + c.operation + "Result>" + strings.TrimSpace(c.xml) + "</" + c.operation + "Result>"
		}
		want += `<ResponseMetadata><RequestId>UUID</RequestId></ResponseMetadata></` + c.operation + `Response>`
		if got := inQuery.body(w); got != want || w.Code != 200 {
			t.Errorf("%s %s\n got %d %s\nwant %s", c.operation, c.form, w.Code, got, want)
		}
	}
}

// TestErrorsInBothProtocols: names, texts and statuses.
func TestErrorsInBothProtocols(t *testing.T) {
	s := newServer(t)
	for _, name := range []string{"q", "dead"} {
		s.json("CreateQueue", `{"QueueName":"`+name+`"}`)
	}
	s.json("CreateQueue", `{"QueueName":"f.fifo","Attributes":{"FifoQueue":"true"}}`)
	s.json("CreateQueue", `{"QueueName":"p"}`)
	s.json("PurgeQueue", `{"QueueUrl":"p"}`)
	eleven := strings.TrimSuffix(strings.Repeat(`{"Id":"a","MessageBody":"x"},`, 11), ",")
	big := strings.Repeat("x", 600<<10)
	for _, c := range []struct {
		operation, json, form string
		status                int
		name, code, message   string
	}{
		{"SendMessage", `{"QueueUrl":"none","MessageBody":"x"}`, "QueueUrl=none&MessageBody=x", 400, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."},
		{"SendMessage", `{"QueueUrl":"http://localhost/111111111111/q","MessageBody":"x"}`, "QueueUrl=http://x/111111111111/q&MessageBody=x", 400, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."},
		{"SendMessage", `{"QueueUrl":"http://localhost/","MessageBody":"x"}`, "QueueUrl=http://localhost/&MessageBody=x", 404, "InvalidAddress", "InvalidAddress", "The address http://localhost/ is not valid for this endpoint."},
		{"SendMessage", `{"MessageBody":"x"}`, "MessageBody=x", 400, "MissingRequiredParameterException", "MissingParameter", "The request must contain the parameter QueueUrl."},
		{"SendMessage", `{"QueueUrl":"q"}`, "QueueUrl=q", 400, "MissingRequiredParameterException", "MissingParameter", "The request must contain the parameter MessageBody."},
		{"SendMessage", `{"QueueUrl":"forbidden","MessageBody":"x"}`, "QueueUrl=forbidden&MessageBody=x", 403, "AccessDeniedException", "AccessDenied", "not that"},
		{"SendMessage", `{"QueueUrl":"f.fifo","MessageBody":"x","MessageDeduplicationId":"d"}`, "QueueUrl=f.fifo&MessageBody=x", 400, "MissingRequiredParameterException", "MissingParameter", "The request must contain the parameter MessageGroupId."},
		{"SendMessage", `{"QueueUrl":"q","MessageBody":"\u0001"}`, "QueueUrl=q&MessageBody=%01", 400, "InvalidMessageContents", "InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"},
		{"SendMessage", `{"QueueUrl":"q","MessageBody":"` + big + big + `"}`, "QueueUrl=q&MessageBody=" + big + big, 400, "InvalidParameterValueException", "InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."},
		{"SendMessageBatch", `{"QueueUrl":"q","Entries":[{"Id":"a","MessageBody":"` + big + `"},{"Id":"b","MessageBody":"` + big + `"}]}`, "", 400, "BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes. You have sent 1228800 bytes."},
		{"SendMessageBatch", `{"QueueUrl":"q","Entries":[]}`, "QueueUrl=q", 400, "EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request."},
		{"SendMessageBatch", `{"QueueUrl":"q","Entries":[` + eleven + `]}`, "", 400, "TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 11."},
		{"SendMessageBatch", `{"QueueUrl":"q","Entries":[{"Id":"a","MessageBody":"x"},{"Id":"a","MessageBody":"y"}]}`, "", 400, "BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id a repeated."},
		{"DeleteMessageBatch", `{"QueueUrl":"q","Entries":[{"Id":"a.b","ReceiptHandle":"x"}]}`, "", 400, "InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."},
		{"SendMessageBatch", `{"QueueUrl":"f.fifo","Entries":[{"Id":"a","MessageBody":"x"}]}`, "", 400, "InvalidParameterValueException", "InvalidParameterValue", "The request must contain the parameter MessageGroupId."},
		{"ReceiveMessage", `{"QueueUrl":"q","MaxNumberOfMessages":11}`, "QueueUrl=q&MaxNumberOfMessages=11", 400, "InvalidParameterValueException", "InvalidParameterValue", "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."},
		{"DeleteMessage", `{"QueueUrl":"q","ReceiptHandle":"x"}`, "QueueUrl=q&ReceiptHandle=x", 404, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", `The input receipt handle "x" is not a valid receipt handle.`},
		{"CreateQueue", `{"QueueName":"q","Attributes":{"DelaySeconds":"5"}}`, "QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5", 400, "QueueNameExists", "QueueAlreadyExists", "A queue already exists with the same name and a different value for attribute DelaySeconds"},
		{"CreateQueue", `{"QueueName":"a b"}`, "QueueName=a+b", 400, "InvalidParameterValueException", "InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"},
		{"ReceiveMessage", `{"QueueUrl":"q","AttributeNames":["VisibilityTimeout","Nonsense"]}`, "QueueUrl=q&AttributeName.1=VisibilityTimeout&AttributeName.2=Nonsense", 400, "InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute Nonsense."},
		{"ReceiveMessage", `{"QueueUrl":"q","MessageSystemAttributeNames":["Nonsense"]}`, "QueueUrl=q&MessageSystemAttributeName.1=Nonsense", 400, "InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute Nonsense."},
		{"SetQueueAttributes", `{"QueueUrl":"q","Attributes":{"Nonsense":"1"}}`, "QueueUrl=q&Attribute.1.Name=Nonsense&Attribute.1.Value=1", 400, "InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute Nonsense."},
		{"SetQueueAttributes", `{"QueueUrl":"q","Attributes":{"VisibilityTimeout":"43201"}}`, "QueueUrl=q&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=43201", 400, "InvalidAttributeValue", "InvalidAttributeValue", "Invalid value for the parameter VisibilityTimeout."},
		{"SetQueueAttributes", `{"QueueUrl":"q","Attributes":{"RedrivePolicy":"{\"maxReceiveCount\":5}"}}`, "", 400, "InvalidParameterValueException", "InvalidParameterValue", `Value {"maxReceiveCount":5} for parameter RedrivePolicy is invalid. Reason: Redrive policy does not contain mandatory attribute: deadLetterTargetArn.`},
		{"PurgeQueue", `{"QueueUrl":"p"}`, "QueueUrl=p", 403, "PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", "Only one PurgeQueue operation on p is allowed every 60 seconds."},
		{"StartMessageMoveTask", `{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:none"}`, "SourceArn=arn:aws:sqs:us-east-1:000000000000:none", 404, "ResourceNotFoundException", "ResourceNotFoundException", "The resource that you specified for the SourceArn parameter doesn't exist."},
		{"StartMessageMoveTask", `{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:dead"}`, "SourceArn=arn:aws:sqs:us-east-1:000000000000:dead", 400, "InvalidParameterValueException", "InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue."},
	} {
		w := s.json(c.operation, c.json)
		quoted, _ := json.Marshal(c.message)
		want := `{"__type":"` + c.name + `","message":` + unescape(string(quoted)) + `}`
		if got := w.Body.String(); w.Code != c.status || got != want || w.Header().Get("X-Amzn-Query-Error") != c.code+";Sender" {
			t.Errorf("%s %.80s\n got %d %s %s\nwant %d %s %s", c.operation, c.json, w.Code, w.Header().Get("X-Amzn-Query-Error"), got, c.status, c.code, want)
		}
		if c.form == "" {
			continue
		}
		w = s.query("/", "Version=2012-11-05&Action="+c.operation+"&"+c.form)
		var answer struct {
			Error struct{ Type, Code, Message string }
		}
		if err := xml.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != c.status || answer.Error.Type != "Sender" || answer.Error.Code != c.code ||
			len(answer.Error.Message) == 0 || c.name != "InvalidAddress" && !strings.HasPrefix(answer.Error.Message, c.message) {
			t.Errorf("%s %.80s\n got %d %+v\nwant %d %s %s", c.operation, c.form, w.Code, answer, c.status, c.code, c.message)
		}
	}
}

func unescape(s string) string { return strings.NewReplacer(`\u003e`, ">", `\u003c`, "<").Replace(s) }

// TestQueueURLs: in all forms that clients use.
func TestQueueURLs(t *testing.T) {
	s := newServer(t)
	s.json("CreateQueue", `{"QueueName":"q"}`)
	for _, form := range []string{
		"q", "000000000000/q", "/000000000000/q", "http://localhost:4566/000000000000/q", "http://localhost:4566/000000000000/q/",
		"http://sqs.us-east-1.localhost:4566/000000000000/q", "https://sqs.us-east-1.amazonaws.com/000000000000/q",
		"https://queue.amazonaws.com/000000000000/q", "https://us-east-1.queue.amazonaws.com/000000000000/q",
		"http://localhost:4566/queue/us-east-1/000000000000/q",
	} {
		if w := s.json("SendMessage", `{"QueueUrl":"`+form+`","MessageBody":"x"}`); w.Code != 200 {
			t.Errorf("%s: %d %s", form, w.Code, w.Body)
		}
	}
	// Requests in the query protocol go to the queue's URL.
	for _, path := range []string{"/000000000000/q", "/000000000000/q/", "/queue/us-east-1/000000000000/q"} {
		for _, version := range []string{"", "&Version=2012-11-05"} {
			r := httptest.NewRequest("POST", "http://localhost:4566"+path, strings.NewReader("Action=SendMessage&MessageBody=x"+version))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			if s.ServeHTTP(w, r); w.Code != 200 {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "http://queue.localhost:4566/000000000000/q?Action=GetQueueAttributes&AttributeName=QueueArn", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "<Value>arn:aws:sqs:us-east-1:000000000000:q</Value>") {
		t.Errorf("GET: %d %s", w.Code, w.Body)
	}
	// A client gets URLs at the address that it came by.
	r := httptest.NewRequest("POST", "http://sqs.us-east-1.localhost:4566/", strings.NewReader(`{"QueueName":"q"}`))
	r.Header.Set("X-Amz-Target", "AmazonSQS.GetQueueUrl")
	w = httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if got := w.Body.String(); got != `{"QueueUrl":"http://sqs.us-east-1.localhost:4566/000000000000/q"}` {
		t.Errorf("URL: %s", got)
	}
}

// TestStaleReceiptOfFIFO: whoever is late cannot remove what others may have.
func TestStaleReceiptOfFIFO(t *testing.T) {
	s := newServer(t)
	s.json("CreateQueue", `{"QueueName":"f.fifo","Attributes":{"FifoQueue":"true","ContentBasedDeduplication":"true"}}`)
	s.json("SendMessage", `{"QueueUrl":"f.fifo","MessageBody":"x","MessageGroupId":"g"}`)
	handle := s.receive("f.fifo")
	s.json("ChangeMessageVisibility", `{"QueueUrl":"f.fifo","VisibilityTimeout":0,"ReceiptHandle":"`+handle+`"}`)
	w := s.json("DeleteMessage", `{"QueueUrl":"f.fifo","ReceiptHandle":"`+handle+`"}`)
	want := `{"__type":"InvalidParameterValueException","message":"Value ` + handle + ` for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."}`
	if got := w.Body.String(); got != want || w.Code != 400 {
		t.Errorf("got %d %s", w.Code, got)
	}
}

// TestActions: who may do something to a message may do it to a batch.
func TestActions(t *testing.T) {
	s := newServer(t)
	s.json("SendMessageBatch", `{"QueueUrl":"q","Entries":[{"Id":"a","MessageBody":"x"}]}`)
	s.json("ListQueues", `{}`)
	s.json("ListMessageMoveTasks", `{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:q"}`)
	want := []pinfold.Action{
		{Name: "sqs:SendMessage", Resource: "arn:aws:sqs:us-east-1:000000000000:q"},
		{Name: "sqs:ListQueues", Resource: "arn:aws:sqs:us-east-1:000000000000:*"},
		{Name: "sqs:ListMessageMoveTasks", Resource: "arn:aws:sqs:us-east-1:000000000000:q"},
		{Name: "sqs:ReceiveMessage", Resource: "arn:aws:sqs:us-east-1:000000000000:q"},
		{Name: "sqs:DeleteMessage", Resource: "arn:aws:sqs:us-east-1:000000000000:q"},
		{Name: "sqs:GetQueueAttributes", Resource: "arn:aws:sqs:us-east-1:000000000000:q"},
	}
	if !slices.Equal(s.permit.asked, want) {
		t.Errorf("asked %v", s.permit.asked)
	}
}

// TestActionsOfMoveTasks: who has messages moved must be allowed to do by hand what
// that does.
func TestActionsOfMoveTasks(t *testing.T) {
	const arn = "arn:aws:sqs:us-east-1:000000000000:"
	s := newServer(t)
	for _, name := range []string{"dead", "forbidden"} {
		s.json("CreateQueue", `{"QueueName":"`+name+`"}`)
	}
	policy := `,"Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"` + arn + `dead\",\"maxReceiveCount\":1}"}}`
	s.json("CreateQueue", `{"QueueName":"a"`+policy)
	s.permit.asked = nil
	for _, c := range []struct {
		operation, request string
		status             int
		asked              string // beside what is done to the dead-letter queue in any case
	}{
		{"StartMessageMoveTask", `{"SourceArn":"` + arn + `dead","DestinationArn":"` + arn + `forbidden"}`, 403, "SendMessage forbidden"},
		{"StartMessageMoveTask", `{"SourceArn":"` + arn + `dead"}`, 200, "SendMessage a"},
		{"CancelMessageMoveTask", `{"TaskHandle":"{T}"}`, 200, ""},
		{"CancelMessageMoveTask", `{"TaskHandle":"x"}`, 400, "-"},
		{"CancelMessageMoveTask", `{}`, 400, "-"},
	} {
		w := s.json(c.operation, s.fill(c.request))
		s.body(w)
		var asked []string
		for _, a := range s.permit.asked {
			asked = append(asked, strings.TrimPrefix(a.Name, "sqs:")+" "+strings.TrimPrefix(a.Resource, arn))
		}
		s.permit.asked = nil
		var want []string
		if c.asked != "-" {
			want = []string{c.operation + " dead", "ReceiveMessage dead", "DeleteMessage dead", "GetQueueAttributes dead"}
		}
		if c.asked != "-" && c.asked != "" {
			want = append(want, c.asked)
		}
		if w.Code != c.status || !slices.Equal(asked, want) {
			t.Errorf("%s %s: %d %s, asked %q", c.operation, c.request, w.Code, w.Body, asked)
		}
	}
	s.json("CreateQueue", `{"QueueName":"b"`+policy)
	s.json("CreateQueue", `{"QueueName":"c"`+strings.Replace(policy, "dead", "forbidden", 1))
	if w := s.json("StartMessageMoveTask", `{"SourceArn":"`+arn+`forbidden"}`); w.Code != 403 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestLongEcho: an error repeats what was wrong, but not megabytes of it.
func TestLongEcho(t *testing.T) {
	s := newServer(t)
	s.json("CreateQueue", `{"QueueName":"q"}`)
	long := strings.Repeat("ä", 1<<20)
	for operation, request := range map[string]string{
		"DeleteMessage":      `{"QueueUrl":"q","ReceiptHandle":"{}"}`,
		"DeleteMessageBatch": `{"QueueUrl":"q","Entries":[{"Id":"a","ReceiptHandle":"{}"}]}`,
		"GetQueueUrl":        `{"QueueName":"{}"}`,
		"GetQueueAttributes": `{"QueueUrl":"q","AttributeNames":["{}"]}`,
		"ReceiveMessage":     `{"QueueUrl":"x/{}"}`,
	} {
		if w := s.json(operation, strings.Replace(request, "{}", long, 1)); w.Body.Len() > 5000 {
			t.Errorf("%s: %d bytes", operation, w.Body.Len())
		}
	}
}
