package node

import (
	"encoding/binary"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/runtimes/bootstrap/bootstraptest"
)

func TestStreaming(t *testing.T) {
	const begins = `exports.handler = awslambda.streamifyResponse(async (e, s, c) => { `
	for name, test := range map[string]struct{ js, want string }{
		"chunks": {begins + `s.setContentType("text/plain"); s.write("a"); s.write(Buffer.from("b")); s.write({ c: 1 }); s.end("d") })`,
			"STREAM 1 text/plain\nCHUNK 1 a\nCHUNK 1 b\nCHUNK 1 {\"c\":1}\nCHUNK 1 d\nEND 1 \n"},
		"nothing":                 {begins + `s.end() })`, "STREAM 1 \nEND 1 \n"},
		"HTTP":                    {begins + `s = awslambda.HttpResponseStream.from(s, { statusCode: 201 }); s.write("made"); s.end() })`, "STREAM 1 application/vnd.awslambda.http-integration-response\nCHUNK 1 {\"statusCode\":201}........\nCHUNK 1 made\nEND 1 \n"},
		"HTTP without a body":     {begins + `awslambda.HttpResponseStream.from(s, { statusCode: 204 }).end() })`, "STREAM 1 application/vnd.awslambda.http-integration-response\nCHUNK 1 {\"statusCode\":204}........\nEND 1 \n"},
		"a pipeline":              {begins + `await require("stream/promises").pipeline(require("stream").Readable.from(["x", "y"]), s) })`, "STREAM 1 \nCHUNK 1 x\nCHUNK 1 y\nEND 1 \n"},
		"a pipe that is left":     {begins + `require("stream").Readable.from(["x", "y"]).pipe(s) })`, "STREAM 1 \nCHUNK 1 x\nCHUNK 1 y\nEND 1 \n"},
		"logs in between":         {begins + `s.write("a"); console.log("b"); s.write("c"); s.end(); return 1 })`, "STREAM 1 \nCHUNK 1 a\nLOG 1 request-1\tINFO\tb\nCHUNK 1 c\nLOG 1 request-1\tWARN\tStreaming handlers ignore return values.\nEND 1 \n"},
		"throws before":           {begins + `throw new Error("no") })`, "LOG 1 ...\nERROR 1 {\"errorType\":\"Error\",\"errorMessage\":\"no\"}\n"},
		"throws midway":           {begins + `s.write("a"); throw new Error("no") })`, "STREAM 1 \nCHUNK 1 a\nLOG 1 ...\nERROR 1 {\"errorType\":\"Error\",\"errorMessage\":\"no\"}\n"},
		"is destroyed":            {begins + `s.write("a"); s.destroy(new Error("no")) })`, "STREAM 1 \nCHUNK 1 a\nLOG 1 ...\nERROR 1 {\"errorType\":\"Error\",\"errorMessage\":\"no\"}\n"},
		"is destroyed in silence": {begins + `s.write("a"); s.destroy() })`, "STREAM 1 \nCHUNK 1 a\nLOG 1 ...\nERROR 1 {\"errorType\":\"Error\",\"errorMessage\":\"Response stream is not finished.\"}\n"},
		"never ends":              {begins + `s.write("a") })`, "STREAM 1 \nCHUNK 1 a\nLOG 1 ...\nERROR 1 {\"errorType\":\"Error\",\"errorMessage\":\"Response stream is not finished.\"}\n"},
		"never settles":           {begins + `s.end("a"); await new Promise(() => {}) })`, "STREAM 1 \nCHUNK 1 a\nLOG 1 ...\nERROR 1 ...\n"},
		"writes after end":        {begins + `s.end("a"); s.write("b"); await new Promise(setImmediate) })`, "STREAM 1 \nCHUNK 1 a\nLOG 1 ...\nERROR 1 {\"errorType\":\"Error\",\"errorMessage\":\"write after end\"}\n"},
		"writes after the answer": {begins + `setTimeout(() => { s.write("b"); console.log("wrote") }, 1); s.end("a") })`, "STREAM 1 \nCHUNK 1 a\nEND 1 \nLOG 0 request-1\tINFO\twrote\n"},
		"type too late":           {begins + `s.write("a"); s.setContentType("x") })`, "STREAM 1 \nCHUNK 1 a\nLOG 1 ...\nERROR 1 {\"errorType\":\"Runtime.InvalidStreamingOperation\",\"errorMessage\":\"Cannot set content-type, too late.\"}\n"},
		"not async":               {`exports.handler = awslambda.streamifyResponse((e, s) => { s.end("x") })`, "STREAM 1 \nCHUNK 1 x\nLOG 1 ...\nERROR 1 {\"errorType\":\"Error\",\"errorMessage\":\"Streaming does not support non-async handlers.\"}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			p.load(map[string]string{"index.js": test.js}, nil)
			p.Invoke(1, `{}`, "")
			all := p.Frames(1)
			if strings.Contains(test.want, "END 1 \nLOG") {
				all = append(all, p.Next())
			}
			match(t, told(all), test.want)
			// The next one works.
			p.Invoke(2, `{}`, "")
			if f := p.Frames(1); f[len(f)-1].ID != 2 {
				t.Errorf("the second one: %v", f)
			}
		})
	}
}

// TestStreamBackpressure passes on what a handler writes only in part: it writes
// no more than a megabyte ahead, and up to 200 in all.
func TestStreamBackpressure(t *testing.T) {
	for concurrency := 1; concurrency < 3; concurrency++ {
		p := start(t)
		p.load(map[string]string{"index.js": `exports.handler = awslambda.streamifyResponse(async (e, s) => {
			for (let sum = 0; ; sum += 100000) {
				if (!s.write(Buffer.alloc(100000))) await new Promise((r) => s.once("drain", r));
				if (sum % 20000000 === 0) console.log(sum);
			}
		})`}, settings{"concurrency": concurrency})
		p.Invoke(1, `{}`, "")
		sum, passed := 0, 0
		for {
			f := p.Next()
			if f.Kind == bootstraptest.Error {
				match(t, told([]bootstraptest.Frame{f}), "ERROR 1 {\"errorType\":\"Function.ResponseSizeTooLarge\",\"errorMessage\":\"Response payload size exceeded maximum allowed payload size (209715200 bytes).\"}\n")
				break
			}
			switch {
			case f.Kind == bootstraptest.Chunk && len(f.Payload) > 64<<10:
				t.Fatalf("a chunk of %d bytes", len(f.Payload))
			case f.Kind == bootstraptest.Chunk:
				sum += len(f.Payload)
			case f.Kind == bootstraptest.EOF:
				t.Fatal("it ended")
			}
			if sum-passed > 1<<20 {
				t.Fatalf("%d bytes are under way", sum-passed)
			}
			if sum-passed == 1<<20 {
				p.Send(bootstraptest.Credit, 1, string(binary.BigEndian.AppendUint32(nil, 1<<20)))
				passed = sum
			}
		}
		if sum > 200<<20 || sum < 199<<20 {
			t.Errorf("%d bytes came", sum)
		}
		p.Invoke(2, `{}`, "")
		if f := p.Next(); f.Kind != bootstraptest.Stream || f.ID != 2 {
			t.Errorf("the next one: %v", f)
		}
	}
}
