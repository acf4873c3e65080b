package clients

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"pinfold.dev/pinfold"
)

// streaming is a Node.js function that streams what its event asks for. Between
// two parts it waits until the place that the event names lets it go on.
const streaming = `
exports.handler = awslambda.streamifyResponse(async (event, out) => {
  const { parts, gate, fail, http } = event.requestContext ? JSON.parse(event.body) : event;
  if (http) out = awslambda.HttpResponseStream.from(out, http);
  else out.setContentType("text/plain");
  for (const part of parts) {
    out.write(part);
    if (gate) await fetch(gate);
  }
  if (fail) throw new TypeError("broken on purpose");
  out.end();
});
`

// streams reads a stream with AWS's SDK for Go.
func streams(t *testing.T, s *sdk) {
	s.create(t, "streaming", map[string]string{"index.js": streaming})
	s.create(t, "whole", nil)
	read := func(function, payload string) (chunks []string, end types.InvokeWithResponseStreamCompleteEvent, out *lambda.InvokeWithResponseStreamOutput) {
		t.Helper()
		out, err := s.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{
			FunctionName: &function, Payload: []byte(payload), LogType: types.LogTypeTail,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer out.GetStream().Close()
		for e := range out.GetStream().Events() {
			switch e := e.(type) {
			case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
				chunks = append(chunks, string(e.Value.Payload))
			case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
				end = e.Value
			}
		}
		if err := out.GetStream().Err(); err != nil {
			t.Error(err)
		}
		return chunks, end, out
	}
	chunks, end, out := read("streaming", `{"parts":["one ","two"]}`)
	if strings.Join(chunks, "") != "one two" || aws.ToString(out.ExecutedVersion) != "$LATEST" || end.ErrorCode != nil || aws.ToString(end.LogResult) == "" {
		t.Errorf("a stream is %q, %+v, version %s", chunks, end, aws.ToString(out.ExecutedVersion))
	}
	if chunks, end, _ = read("streaming", `{"parts":["one "],"fail":true}`); aws.ToString(end.ErrorCode) != "TypeError" || !strings.Contains(aws.ToString(end.ErrorDetails), "broken on purpose") {
		t.Errorf("a broken stream is %q, %+v", chunks, end)
	}
	if chunks, end, _ = read("whole", `{"do":"http"}`); len(chunks) != 1 || !strings.Contains(chunks[0], `"statusCode":201`) || end.ErrorCode != nil {
		t.Errorf("what is no stream is %q, %+v", chunks, end)
	}
	if chunks, end, _ = read("whole", `{"do":"throw"}`); len(chunks) != 1 || aws.ToString(end.ErrorCode) != "TypeError" || aws.ToString(end.ErrorDetails) != chunks[0] {
		t.Errorf("an error is %q, %+v", chunks, end)
	}
	big := `{"parts":["` + strings.Repeat("x", 3<<20) + `","` + strings.Repeat("y", 1<<20) + `","` + strings.Repeat("z", 1<<20) + `"]}`
	if chunks, _, _ = read("streaming", big); len(strings.Join(chunks, "")) != 5<<20 {
		t.Errorf("5 MB arrive as %d bytes", len(strings.Join(chunks, "")))
	}
}

// streamedURLs reads a stream at a function URL.
func streamedURLs(t *testing.T, s *sdk) {
	s.create(t, "streaming-url", map[string]string{"index.js": streaming})
	u, err := s.CreateFunctionUrlConfig(t.Context(), &lambda.CreateFunctionUrlConfigInput{
		FunctionName: aws.String("streaming-url"), AuthType: types.FunctionUrlAuthTypeNone, InvokeMode: types.InvokeModeResponseStream,
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(event string) (*http.Response, string, error) {
		t.Helper()
		id, _, _ := strings.Cut(strings.TrimPrefix(*u.FunctionUrl, "http://"), ".")
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.p.Endpoints.HTTP+pinfold.FunctionURLPath+id+"/", strings.NewReader(event))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp, string(body), err
	}
	resp, body, err := ask(`{"parts":["<b>","</b>"],"http":{"statusCode":206,"headers":{"Content-Type":"text/html"},"cookies":["a=1"]}}`)
	if err != nil || resp.StatusCode != 206 || resp.Header.Get("Content-Type") != "text/html" || resp.Header.Get("Set-Cookie") != "a=1" || body != "<b></b>" {
		t.Errorf("%v: %d %v %q", err, resp.StatusCode, resp.Header, body)
	}
	if resp, body, err = ask(`{"parts":["a","b"]}`); err != nil || resp.StatusCode != 200 || body != "ab" {
		t.Errorf("%v: %d %q", err, resp.StatusCode, body)
	}
	if resp, body, err = ask(`{"parts":[],"fail":true}`); err != nil || resp.StatusCode != 502 || body != "Internal Server Error" {
		t.Errorf("%v: %d %q", err, resp.StatusCode, body)
	}
}
