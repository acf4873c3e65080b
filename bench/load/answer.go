//go:build linux

package load

import (
	"bytes"
	"fmt"
	"strconv"
)

var (
	crlf         = []byte("\r\n")
	blank        = []byte("\r\n\r\n")
	lastChunk    = []byte("\r\n0\r\n\r\n")
	version      = []byte("HTTP/1.1 ")
	functionFail = []byte("X-Amz-Function-Error")
)

// wanted is what answers must be.
type wanted struct {
	status int
	text   []byte
}

// whole reports whether b is a whole answer, and an error if it is not one that is
// wanted, or more than one.
func (w wanted) whole(b []byte) (bool, error) {
	end := bytes.Index(b, blank)
	if end < 0 {
		return false, nil
	}
	body := b[end+len(blank):]
	length := -1
	status, head, _ := bytes.Cut(b[:end], crlf)
	for len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, crlf)
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil || n < 0 {
				return false, fmt.Errorf("an answer's length is %q", value)
			}
			length = n
		case bytes.EqualFold(name, functionFail):
			return false, fmt.Errorf("the function failed: %.300q", body)
		}
	}
	if length < 0 { // in chunks: its text holds no chunk of length 0 but the last
		if !bytes.HasSuffix(b[end:], lastChunk) {
			return false, nil
		}
	} else if len(body) < length {
		return false, nil
	} else if len(body) > length {
		return false, fmt.Errorf("%d bytes came after an answer", len(body)-length)
	}
	code, _, _ := bytes.Cut(bytes.TrimPrefix(status, version), []byte(" "))
	if n, err := strconv.Atoi(string(code)); err != nil || n != w.status || !bytes.Contains(body, w.text) {
		return false, w.wrong(string(status), body)
	}
	return true, nil
}

func (w wanted) wrong(status string, body []byte) error {
	return fmt.Errorf("the answer is %q, want %d and %q: %.300q", status, w.status, w.text, body)
}
