package instant

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
)

// Functions that meet others in their instance. They log who they are, come to
// the place that the event names, if any, and answer with their process.
const (
	nodeMeets = `
const instance = process.pid + "/" + Math.random();
exports.handler = async ({ who, place, end }) => {
  console.log("begin", who);
  if (place) await fetch(process.env.GATE + "?do=wait&name=" + place);
  if (end) process.exit(1);
  console.log("end", who);
  return instance;
};
`
	pythonMeets = `
import logging, os, urllib.request
instance = os.urandom(8).hex()
def handler(event, context):
    print("begin", event["who"])
    if event.get("place"): urllib.request.urlopen(os.environ["GATE"] + "?do=wait&name=" + event["place"]).read()
    if event.get("end"): os._exit(1)
    logging.getLogger().warning("end %s", event["who"])
    return instance
`
	pythonAsync = `
import asyncio, os, urllib.request
instance = os.urandom(8).hex()
async def handler(event, context):
    print("begin", event["who"])
    if event.get("place"):
        url = os.environ["GATE"] + "?do=wait&name=" + event["place"]
        await asyncio.to_thread(lambda: urllib.request.urlopen(url).read())
    if event.get("end"): os._exit(1)
    print("end", event["who"])
    return instance
`
)

// TestSeveral: an instance serves as many invocations at a time as it may, keeps
// them apart, and takes those and no others with it when it ends.
func TestSeveral(t *testing.T) {
	t.Parallel()
	h := start(t)
	for name, code := range map[string]change{"node": node(nodeMeets), "python": python(pythonMeets), "async": python(pythonAsync)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h.create(t, name, code, several(4), memory(512), timeout(30))
			h.call(t.Context(), name, `{"who":"nobody"}`) // one instance is up

			var all []<-chan answer
			for i := range 4 {
				all = append(all, h.later(t.Context(), name, fmt.Sprintf(`{"who":"w%d","place":"together-%s"}`, i, name)))
			}
			h.came(t, "together-"+name, 4)
			fifth := h.later(t.Context(), name, fmt.Sprintf(`{"who":"w4","place":"together-%s"}`, name))
			h.came(t, "together-"+name, 5)
			h.let(t, "together-"+name)
			first := h.apart(t, name, <-all[0], "w0")
			for i := range 3 {
				if other := h.apart(t, name, <-all[i+1], fmt.Sprint("w", i+1)); other != first {
					t.Errorf("four at a time are served by %s and %s", first, other)
				}
			}
			if other := h.apart(t, name, <-fifth, "w4"); other == first {
				t.Error("an instance for four at a time serves five")
			}
		})
		t.Run(name+"-crash", func(t *testing.T) {
			t.Parallel()
			name := name + "-crash"
			h.create(t, name, code, several(2), memory(512), timeout(30))
			h.call(t.Context(), name, `{"who":"nobody"}`)
			bad := h.later(t.Context(), name, fmt.Sprintf(`{"who":"bad","place":"bad-%s","end":true}`, name))
			h.came(t, "bad-"+name, 1)
			with := h.later(t.Context(), name, fmt.Sprintf(`{"who":"with","place":"good-%s"}`, name))
			h.came(t, "good-"+name, 1)
			elsewhere := h.later(t.Context(), name, fmt.Sprintf(`{"who":"elsewhere","place":"good-%s"}`, name))
			h.came(t, "good-"+name, 2)
			h.let(t, "bad-"+name)
			for _, a := range []answer{<-bad, <-with} {
				a.fails(t, "Runtime.ExitError", "Runtime exited with error: exit status 1")
			}
			h.let(t, "good-"+name)
			if a := <-elsewhere; a.err != nil || a.kind != "" {
				t.Errorf("who was in another instance: %+v", a)
			}
		})
	}
}

// apart checks that the log of an invocation has what that one wrote and nothing
// else, whichever way it is asked for. It returns the instance that answered.
func (h *house) apart(t *testing.T, function string, a answer, who string) (instance string) {
	t.Helper()
	if a.err != nil || a.kind != "" {
		t.Fatalf("%s: %+v", who, a)
	}
	_, id, _ := strings.Cut(a.logged, "START RequestId: ")
	id, _, _ = strings.Cut(id, " ")
	lines := h.logs(t, client.LogQuery{Functions: []string{function}, RequestID: id}, func(l pinfold.LogLine) bool { return strings.HasPrefix(l.Text, "REPORT ") })
	var log strings.Builder
	for _, line := range lines {
		if line.RequestID != id {
			t.Errorf("a line of %q is in the log of %q", line.RequestID, id)
		}
		fmt.Fprintln(&log, line.Text)
	}
	for _, text := range []string{a.logged, log.String()} {
		if strings.Count(text, "begin "+who+"\n") != 1 || strings.Count(text, "end "+who+"\n") != 1 || strings.Count(text, "begin ") != 1 || strings.Count(text, "end ") != 1 {
			t.Errorf("the log of %s is:\n%s", who, text)
		}
	}
	if err := json.Unmarshal([]byte(a.payload), &instance); err != nil {
		t.Errorf("%s: %v", a.payload, err)
	}
	return instance
}

// The time of one is the end of all that are in its instance.
func TestTimeoutOfOneOfSeveral(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.create(t, "f", node(nodeMeets), several(3), timeout(5))
	h.call(t.Context(), "f", `{"who":"nobody"}`)
	late := h.later(t.Context(), "f", `{"who":"late","place":"never"}`)
	h.came(t, "never", 1)
	for began := time.Now(); time.Since(began) < 500*time.Millisecond; { // the time of the other one ends visibly later
		h.call(t.Context(), "f", `{"who":"quick"}`)
	}
	with := h.later(t.Context(), "f", `{"who":"with","place":"never"}`)
	h.came(t, "never", 2)
	(<-late).fails(t, "Sandbox.Timedout", "Task timed out after 5.00 seconds")
	(<-with).fails(t, "Runtime.ExitError", "Runtime exited with error: signal: killed")
	if a := h.call(t.Context(), "f", `{"who":"next"}`); a.err != nil || a.kind != "" {
		t.Errorf("the next one: %+v", a)
	}
	h.let(t, "never")
}

// Callers who come at once to a function that is not there yet share the
// instances that they need.
func TestNoHerd(t *testing.T) {
	t.Parallel()
	h := start(t)
	const n = 60
	h.create(t, "f", func(in *lambda.CreateFunctionInput) {
		in.Runtime, in.Handler = types.RuntimeNodejs22x, aws.String("index.handler")
		in.Code = zipped(map[string]string{"index.mjs": `
await fetch(process.env.GATE + "?do=wait&name=loading");
export const handler = async () => { await fetch(process.env.GATE + "?do=wait&name=herd"); };
`})
	}, several(n), memory(512))
	var all []<-chan answer
	for range n {
		all = append(all, h.later(t.Context(), "f", "{}"))
	}
	h.came(t, "loading", 1)
	for range 20 { // while all of them come
		h.at(t, "count", "others", 0)
	}
	h.let(t, "loading")
	h.came(t, "herd", n)
	h.let(t, "herd")
	for _, a := range all {
		(<-a).is(t, "null")
	}
	if instances := h.at(t, "count", "loading", 0) - 1; instances != 1 {
		t.Errorf("%d callers at once are served by %d instances of %d places", n, instances, n)
	}
}
