//go:build linux

// Command golang is a hostile function in compiled Go, for what takes raw
// system calls. It does what the event names, and answers with what came of
// each of its tries: the name of an error, or "got it".
//
// Calls that would harm a machine without walls have arguments that the kernel
// refuses after it has checked permission, so that the error tells which check
// answered. The order of the checks is that of Linux 6.18.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"golang.org/x/sys/unix"
)

// event is what the suite sends: what to do, and what a spy could know.
type event struct {
	Run        string   `json:"run"`
	Size       int      `json:"size"`       // of an attack that comes in several
	Data       string   `json:"data"`       // the platform's data folder
	Pids       []int    `json:"pids"`       // of processes on the host
	Services   []string `json:"services"`   // host:port of what listens on the host's loopback
	Ports      []string `json:"ports"`      // of the platform's, on every loopback
	Abstract   string   `json:"abstract"`   // name of a socket of the host
	Socket     string   `json:"socket"`     // path of a socket of the host
	Metadata   []string `json:"metadata"`   // host:port of link-local services
	Neighbours []string `json:"neighbours"` // host:port of what listens in another sandbox
	Allowed    string   `json:"allowed"`    // host:port that a list may have
	Other      string   `json:"other"`      // host:port that it has not
	Function   string   `json:"function"`   // name of another function
	RequestID  string   `json:"requestId"`  // of its invocation
	SysvKey    int      `json:"sysvKey"`    // of the host's shared memory

	own string // id of the invocation
}

// tries is what came of an attack.
type tries map[string]string

const got = "got it"

func (t tries) note(what string, err error) { t[what] = outcome(err) }

func outcome(err error) string {
	var errno unix.Errno
	var timeout net.Error
	switch {
	case err == nil:
		return got
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	case errors.As(err, &timeout) && timeout.Timeout():
		return "ETIMEDOUT"
	}
	return err.Error()
}

// call makes a system call. Its arguments are numbers, texts and pointers.
func call(trap uintptr, args ...any) error {
	_, err := value(trap, args...)
	return err
}

// value makes a system call and returns what it returns.
func value(trap uintptr, args ...any) (uintptr, error) {
	var a [6]uintptr
	for i, arg := range args {
		switch v := arg.(type) {
		case int:
			a[i] = uintptr(v)
		case string:
			p := append([]byte(v), 0)
			args[i] = p // and kept
			a[i] = uintptr(unsafe.Pointer(&p[0]))
		case unsafe.Pointer:
			a[i] = uintptr(v)
		default:
			panic(fmt.Sprintf("an argument of type %T", arg))
		}
	}
	v, _, errno := unix.Syscall6(trap, a[0], a[1], a[2], a[3], a[4], a[5])
	runtime.KeepAlive(args)
	if errno != 0 {
		return v, errno
	}
	return v, nil
}

// opens makes a system call that opens a file, and closes it.
func opens(trap uintptr, args ...any) error {
	fd, err := value(trap, args...)
	if err == nil {
		_ = unix.Close(int(fd))
	}
	return err
}

var attacks = map[string]func(*event) (tries, error){}

func main() {
	if len(os.Args) > 1 { // a child of an attack: that it runs is all
		return
	}
	for _, some := range []map[string]func(*event) (tries, error){escaping, kernel, reaching, exhausting} {
		maps.Copy(attacks, some)
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, request events.LambdaFunctionURLRequest) (tries, error) {
	var e event
	if err := json.NewDecoder(strings.NewReader(request.Body)).Decode(&e); err != nil {
		return nil, err
	}
	if own, ok := lambdacontext.FromContext(ctx); ok {
		e.own = own.AwsRequestID
	}
	if e.Run == "breathe" {
		return tries{"breathe": "fine"}, nil
	}
	attack, ok := attacks[e.Run]
	if !ok {
		return nil, fmt.Errorf("there is no attack %q", e.Run)
	}
	return attack(&e)
}
