package queue

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
)

// stamp is what receipt handles have of a queue.
type stamp struct {
	queue uint64 // of its ARN
	id    uint64 // of its ID, which a purge changes
}

// receipt is what a receipt handle says.
type receipt struct {
	stamp
	backlog.Receipt
	at time.Time // when the message was received; to the second
}

// handlePrefix is what all handles begin with, as AWS's do: "AQEB".
var handlePrefix = []byte{1, 1, 1}

// handleSize is the bytes of a handle: prefix, stamp, position, which receive, time
// and checksum.
const handleSize = 3 + 16 + 8 + 4 + 4 + 4

// handle returns the receipt handle. It is not secret: who has it may do no more
// with it than with the queue.
func (r receipt) handle() string {
	b := make([]byte, 0, handleSize)
	b = append(b, handlePrefix...)
	b = binary.BigEndian.AppendUint64(b, r.queue)
	b = binary.BigEndian.AppendUint64(b, r.id)
	b = binary.BigEndian.AppendUint64(b, r.Position)
	b = binary.BigEndian.AppendUint32(b, uint32(r.Receive))
	b = binary.BigEndian.AppendUint32(b, uint32(r.at.Unix()))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.StdEncoding.EncodeToString(b)
}

// receiptOf reads a receipt handle of a queue. It reports false for one that was
// none, and one of another queue.
func (l *line) receiptOf(handle string) (r receipt, ok bool) {
	var b [handleSize]byte
	if len(handle) != base64.StdEncoding.EncodedLen(handleSize) {
		return r, false
	}
	n, err := base64.StdEncoding.Strict().Decode(b[:], []byte(handle))
	if err != nil || n != handleSize || [3]byte(b[:3]) != [3]byte(handlePrefix) || crc32.ChecksumIEEE(b[:handleSize-4]) != binary.BigEndian.Uint32(b[handleSize-4:]) {
		return r, false
	}
	r.queue = binary.BigEndian.Uint64(b[3:])
	r.id = binary.BigEndian.Uint64(b[11:])
	r.Position = binary.BigEndian.Uint64(b[19:])
	r.Receive = int(binary.BigEndian.Uint32(b[27:]))
	r.at = time.Unix(int64(binary.BigEndian.Uint32(b[31:])), 0)
	return r, r.queue == l.stamp.queue
}

// handleInvalid is the error for a receipt handle that was never given out.
func handleInvalid(handle string) error {
	return pinfold.Errorf(pinfold.Invalid, "The input receipt handle \"%s\" is not a valid receipt handle.", handle).WithReason("ReceiptHandleIsInvalid")
}

// handleExpired is the error of FIFO queues for a message that is visible again, or
// was received since.
func handleExpired(handle string) error {
	return invalidValue(handle, "ReceiptHandle", "The receipt handle has expired.")
}
