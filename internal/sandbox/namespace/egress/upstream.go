package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	dnsTry     = 2 * time.Second // for one resolver to answer
	dnsRounds  = 2               // tries of each
	dnsTCPIdle = 10 * time.Second
)

// forward asks the resolvers in turn, by the network that the question came by,
// and returns the first answer of one that could answer, else the last one that
// came, else nil.
func forward(ctx context.Context, dial dialFunc, resolvers []string, network string, message []byte, q query) []byte {
	var last []byte
	for range dnsRounds {
		for _, resolver := range resolvers {
			answer, err := exchange(ctx, dial, network, resolver, message, q)
			if err != nil && network == "tcp" {
				answer, err = exchange(ctx, dial, "udp", resolver, message, q) // some resolvers have no TCP
			}
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				continue
			}
			if code := dnsmessage.RCode(answer[3] & 0xf); code != dnsmessage.RCodeServerFailure && code != dnsmessage.RCodeRefused && code != dnsmessage.RCodeNotImplemented {
				return answer
			}
			last = answer
		}
		if last != nil {
			break
		}
	}
	return last
}

// exchange asks one resolver once. The message goes out as it is, but for an id
// that a stranger cannot guess.
func exchange(ctx context.Context, dial dialFunc, network, resolver string, message []byte, q query) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTry)
	defer cancel()
	conn, err := dial(ctx, network, resolver)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()

	message = slices.Clone(message)
	id := uint16(rand.Uint32())
	order.PutUint16(message, id)
	write, read := writeDatagram, readDatagram
	if network == "tcp" {
		write, read = writeFramed, readFramed
	}
	if err := write(conn, message); err != nil {
		return nil, err
	}
	for {
		answer, err := read(conn)
		if err != nil {
			return nil, err
		}
		if answers(answer, id, q.question) {
			order.PutUint16(answer, q.ID)
			return answer, nil
		}
	}
}

// answers tells a resolver's answer from what strangers send.
func answers(message []byte, id uint16, question dnsmessage.Question) bool {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || h.ID != id || !h.Response {
		return false
	}
	got, err := p.Question()
	if err == dnsmessage.ErrSectionDone {
		return h.RCode != dnsmessage.RCodeSuccess // some leave it out of an error
	}
	return err == nil && got.Type == question.Type && got.Class == question.Class &&
		strings.EqualFold(got.Name.String(), question.Name.String())
}

func writeDatagram(conn net.Conn, message []byte) error {
	_, err := conn.Write(message)
	return err
}

func readDatagram(conn net.Conn) ([]byte, error) {
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	n, err := conn.Read(b[:])
	return slices.Clone(b[:n]), err
}

// writeFramed writes a message with its length before it (RFC 1035, 4.2.2).
func writeFramed(conn net.Conn, message []byte) error {
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}

func readFramed(conn net.Conn) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, order.Uint16(size[:]))
	_, err := io.ReadFull(conn, message)
	return message, err
}

// serveTCP answers questions of a connection, one after the other.
func (s *dnsServer) serveTCP(ctx context.Context, conn net.Conn) error {
	for {
		if err := conn.SetDeadline(time.Now().Add(dnsTCPIdle)); err != nil {
			return err
		}
		message, err := readFramed(conn)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer := s.answer(ctx, "tcp", message)
		if answer == nil {
			return nil
		}
		if err := conn.SetDeadline(time.Now().Add(dnsTCPIdle)); err != nil {
			return err
		}
		if err := writeFramed(conn, answer); err != nil {
			return err
		}
	}
}
