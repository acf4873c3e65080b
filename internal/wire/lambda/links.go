package lambda

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"pinfold.dev/pinfold"
)

// CodePath is the path below which [Links] are served. The listener must not
// ask for a signature there: a link carries its own permission.
const CodePath = "/_pinfold/code/"

// linkLife is how long a link holds. Source: "Code.Location" of GetFunction,
// "a presigned URL ... valid for 10 minutes".
const linkLife = 10 * time.Minute

// Zip is an open code package.
type Zip interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Links makes and serves the URLs under which GetFunction and GetLayerVersion
// offer code for download. A link names one package and the time until which it
// holds, and is signed with a key that lives as long as the process.
type Links struct {
	open      func(context.Context, pinfold.Package) (Zip, error)
	endpoints func() pinfold.Endpoints
	key       [32]byte
}

// NewLinks returns the links to the code packages that open opens; it returns
// an error with code NotFound for one that is not stored.
func NewLinks(open func(context.Context, pinfold.Package) (Zip, error), endpoints func() pinfold.Endpoints) *Links {
	l := &Links{open: open, endpoints: endpoints}
	rand.Read(l.key[:])
	return l
}

// URL returns a link to a package that holds for ten minutes.
func (l *Links) URL(pkg pinfold.Package) string {
	expires := strconv.FormatInt(time.Now().Add(linkLife).Unix(), 10)
	size := strconv.FormatInt(pkg.Size, 10)
	query := url.Values{"expires": {expires}, "size": {size}, "signature": {l.sign(pkg.SHA256, size, expires)}}
	return l.endpoints().API + CodePath + pkg.SHA256 + ".zip?" + query.Encode()
}

func (l *Links) sign(parts ...string) string {
	mac := hmac.New(sha256.New, l.key[:])
	mac.Write([]byte(strings.Join(parts, "\n")))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// ServeHTTP implements http.Handler for everything below [CodePath].
func (l *Links) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "code packages can be fetched, and nothing else", http.StatusMethodNotAllowed)
		return
	}
	pkg, err := l.verify(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	zip, err := l.open(r.Context(), pkg)
	switch {
	case pinfold.CodeOf(err) == pinfold.NotFound:
		http.Error(w, "the code package is no longer stored", http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer zip.Close()
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Etag", strconv.Quote(pkg.SHA256))
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(zip, 0, zip.Size()))
}

func (l *Links) verify(r *http.Request) (pkg pinfold.Package, err error) {
	query := r.URL.Query()
	name, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, CodePath), ".zip")
	given, want := query.Get("signature"), l.sign(name, query.Get("size"), query.Get("expires"))
	if !ok || !hmac.Equal([]byte(given), []byte(want)) {
		return pkg, errors.New("this link to a code package is not valid: ask GetFunction for a new one")
	}
	expires, err := strconv.ParseInt(query.Get("expires"), 10, 64)
	if err != nil || time.Now().Unix() > expires {
		return pkg, errors.New("this link to a code package has expired: ask GetFunction for a new one")
	}
	pkg.SHA256 = name
	pkg.Size, err = strconv.ParseInt(query.Get("size"), 10, 64)
	return pkg, err
}

// base64Hash writes a hash the way AWS shows it.
func base64Hash(sha256Hex string) string {
	sum, err := hex.DecodeString(sha256Hex)
	if err != nil {
		return sha256Hex
	}
	return base64.StdEncoding.EncodeToString(sum)
}

// hexHash reads a hash the way AWS shows it; what is none comes back as it is.
func hexHash(sha256Base64 string) string {
	sum, err := base64.StdEncoding.DecodeString(sha256Base64)
	if err != nil {
		return sha256Base64
	}
	return hex.EncodeToString(sum)
}
