package instant

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// TestDeploys: while code and configuration of functions change in turn, no
// request fails, and none that begins after a change has been acknowledged is
// served by what was before.
func TestDeploys(t *testing.T) {
	t.Parallel()
	requests, deploys, clients := int64(2000), 10, 3
	if long() {
		requests, deploys, clients = 10_000, 50, 16
	}
	h := start(t)
	// The answer is the number of the code and that of the configuration.
	nodeCode := `exports.handler = async (event) => { await new Promise((r) => setTimeout(r, event.wait ?? 0)); return "CODE " + process.env.NUMBER; };`
	streamCode := `exports.handler = awslambda.streamifyResponse(async (event, out) => { out.write("CODE"); await new Promise(setImmediate); out.end(" " + process.env.NUMBER); });`
	pythonCode := "import os\ndef handler(event, context): return 'CODE ' + os.environ['NUMBER']\n"
	kinds := []struct {
		name, file, code string
		make             func(string) change
		by               door
		more             []change
	}{
		{"node", "index.js", nodeCode, node, byAPI, nil},
		{"python", "index.py", pythonCode, python, byAPI, nil},
		{"several", "index.js", nodeCode, node, byAPI, []change{several(10)}},
		{"stream", "index.js", streamCode, node, byURL, nil},
	}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			number := func(n int) *types.Environment {
				return &types.Environment{Variables: map[string]string{"NUMBER": fmt.Sprint(n)}}
			}
			code := func(n int) string { return strings.ReplaceAll(kind.code, "CODE", fmt.Sprint(n)) }
			h.create(t, kind.name, append([]change{kind.make(code(0)), memory(1769), func(in *lambda.CreateFunctionInput) { in.Environment = number(0) }}, kind.more...)...)
			url := h.open(t, kind.name, types.InvokeModeResponseStream)
			var answered, acknowledged atomic.Int64
			next := make(chan struct{}, 1)
			ask := func() (string, error) {
				if kind.by == byAPI {
					a := h.call(context.Background(), kind.name, "{}")
					return strings.Trim(a.payload, `"`), a.err
				}
				resp, err := http.Get(url)
				if err != nil {
					return "", err
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				return string(body), err
			}
			var load sync.WaitGroup
			share := requests / int64(len(kinds))
			for range clients {
				load.Go(func() {
					for answered.Load() < share || acknowledged.Load() < int64(deploys) {
						since := acknowledged.Load()
						text, err := ask()
						var code, config int64
						if _, bad := fmt.Sscanf(text, "%d %d", &code, &config); err != nil || bad != nil {
							t.Errorf("a request fails: %.200q, %v", text, err)
						} else if code+config < since {
							t.Errorf("after %d changes it is answered by code %d and configuration %d", since, code, config)
						}
						if answered.Add(1)*int64(deploys)%share < int64(deploys) {
							select {
							case next <- struct{}{}:
							default:
							}
						}
					}
				})
			}
			for n := range deploys {
				<-next
				var err error
				if n%2 == 0 {
					_, err = h.lambda.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{
						FunctionName: aws.String(kind.name), ZipFile: zipped(map[string]string{kind.file: code(n/2 + 1)}).ZipFile,
					})
				} else {
					_, err = h.lambda.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
						FunctionName: aws.String(kind.name), Environment: number(n/2 + 1),
					})
				}
				if err != nil {
					t.Fatal(err)
				}
				acknowledged.Add(1)
			}
			load.Wait()
			t.Logf("%d requests during %d changes", answered.Load(), deploys)
		})
	}
}
