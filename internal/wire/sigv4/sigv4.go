package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"net/http"
	"strings"
	"sync"
	"time"
)

// MaxSkew is how far a signer's clock may be from ours, either way.
const MaxSkew = 15 * time.Minute

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
)

// Signature is what a checked signature says.
type Signature struct {
	AccessKeyID  string
	SessionToken string // of temporary credentials, or ""
	Region       string
	Service      string
	Time         time.Time // when it was made
	Presigned    bool      // it stands in the URL, not in a header
}

// Secrets finds the secret of an access key. The session token is "" for a
// request that has none.
type Secrets func(accessKeyID, sessionToken string) (secret string, found bool)

// Verify checks that a request was signed with the secret of the access key it
// names, at about now, and that body is the body that was signed. It does not
// read r.Body.
//
// Its errors have AWS's texts, and AWS's names as their Reason: see
// [MissingAuthenticationToken] and its neighbours.
func Verify(r *http.Request, body []byte, secrets Secrets, now time.Time) (Signature, error) {
	return verify(r, body, secrets, now, newKey)
}

func verify(r *http.Request, body []byte, secrets Secrets, now time.Time, keyOf func(secret, date, region, service string) *key) (Signature, error) {
	c, err := readClaim(r)
	if err != nil {
		return Signature{}, err
	}
	if err := c.checkTime(now); err != nil {
		return Signature{}, err
	}
	if err := c.checkSignedHeaders(r); err != nil {
		return Signature{}, err
	}
	payload, err := c.payloadHash(r, body)
	if err != nil {
		return Signature{}, err
	}
	secret, found := secrets(c.AccessKeyID, c.SessionToken)
	if !found {
		return Signature{}, invalidClientToken()
	}
	k := keyOf(secret, c.date, c.Region, c.Service)
	var room [1024]byte // most requests need less
	for _, path := range c.canonicalPaths(r) {
		want := c.sign(k, c.canonicalRequest(room[:0], r, path, payload))
		if subtle.ConstantTimeCompare([]byte(want), []byte(c.signature)) == 1 {
			return c.Signature, nil
		}
	}
	return Signature{}, mismatch()
}

// sign returns the hex signature of a canonical request.
func (c *claim) sign(k *key, canonical []byte) string {
	sum := sha256.Sum256(canonical)
	b := make([]byte, 0, 256)
	b = appendAll(b, algorithm, "\n", c.timestamp, "\n", c.date, "/", c.Region, "/", c.Service, "/", terminator, "\n")
	return hex.EncodeToString(k.mac(hex.AppendEncode(b, sum[:])))
}

// signingKey narrows a secret down to a day, a region and a service.
func signingKey(secret, date, region, service string) []byte {
	key := []byte("AWS4" + secret)
	for _, scope := range []string{date, region, service, terminator} {
		key = mac(key, []byte(scope))
	}
	return key
}

// key is a signing key. What HMAC makes of it, which is half of its work for a short
// text, is kept.
type key struct{ states sync.Pool } // of hash.Hash

func newKey(secret, date, region, service string) *key {
	k := signingKey(secret, date, region, service)
	return &key{sync.Pool{New: func() any { return hmac.New(sha256.New, k) }}}
}

func (k *key) mac(message []byte) []byte {
	h := k.states.Get().(hash.Hash)
	defer k.states.Put(h)
	h.Reset()
	h.Write(message)
	return h.Sum(nil)
}

// keys remembers what secrets were narrowed down to, which is a third of the work of
// checking a signature.
type keys struct {
	mu    sync.RWMutex
	known map[scoped]*key
}

type scoped struct{ secret, date, region, service string }

// maxKeys is how many are remembered: signers decide on the region that they name.
const maxKeys = 1024

func (k *keys) of(secret, date, region, service string) *key {
	id := scoped{secret, date, region, service}
	k.mu.RLock()
	found := k.known[id]
	k.mu.RUnlock()
	if found != nil {
		return found
	}
	found = newKey(secret, date, region, service)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxKeys {
		k.known = map[scoped]*key{}
	}
	// What a request brought would keep all of it in memory.
	k.known[scoped{secret, strings.Clone(date), strings.Clone(region), strings.Clone(service)}] = found
	return found
}

func mac(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}
