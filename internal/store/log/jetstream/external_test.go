package jetstream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// open opens a log, and a stream in it.
func open(t *testing.T, o Options) (*Log, log.Stream) {
	t.Helper()
	o.Logger = testLogger(t)
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s, err := l.Stream(t.Context(), "test", log.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return l, s
}

// A server that goes away and comes back costs errors, and neither entries nor
// order: what is acknowledged is read, once.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, &server.Options{StoreDir: dir})
	_, stream := open(t, Options{URL: s.ClientURL()})
	c, err := stream.Consumer(t.Context(), "c", log.ConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := stream.Read(t.Context(), log.From{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()

	const n = 600
	failures := make(chan int, 1)
	go func() {
		failed := 0
		for i := range n {
			e := log.Entry{Subject: "s", ID: fmt.Sprint(i), Data: fmt.Append(nil, i)}
			for {
				stored := stream.Append(t.Context(), e)[0]
				if stored.Err == nil {
					break
				}
				if failed++; pinfold.CodeOf(stored.Err) != pinfold.Unavailable {
					t.Errorf("while the server is away: %v", stored.Err)
				}
			}
		}
		failures <- failed
	}()
	port := s.Addr().(*net.TCPAddr).Port
	for i, last := 0, uint64(0); i < n; {
		entries, err := r.Next(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if string(e.Data) != fmt.Sprint(i) || e.Position <= last {
				t.Fatalf("read %s at %d; want %d behind %d", e.Data, e.Position, i, last)
			}
			last = e.Position
			if i++; i == 100 || i == 300 {
				s.Shutdown()
				s.WaitForShutdown()
				s = startServer(t, &server.Options{StoreDir: dir, Port: port})
			}
		}
	}
	t.Logf("%d appends failed", <-failures)
	seen := map[string]bool{}
	for len(seen) < n {
		all, err := c.Fetch(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			seen[string(d.Entry().Data)] = true
		}
	}
}

// Without a server, calls wait for it in vain, and say so.
func TestAway(t *testing.T) {
	t.Parallel()
	if _, err := Open(t.Context(), Options{URL: "nats://user:secret@127.0.0.1:1"}); pinfold.CodeOf(err) != pinfold.Unavailable || strings.Contains(err.Error(), "secret") {
		t.Errorf("no server: %v", err)
	}
	s := startServer(t, &server.Options{})
	l, stream := open(t, Options{URL: s.ClientURL(), lease: 2 * time.Second})
	owned, release, err := l.Own(t.Context(), "name", "holder", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	s.Shutdown()
	for said := false; !said; { // at first the connection may seem to be there
		for _, one := range stream.Append(t.Context(), log.Entry{Subject: "a"}, log.Entry{Subject: "b"}) {
			if pinfold.CodeOf(one.Err) != pinfold.Unavailable {
				t.Errorf("append without a server: %v", one.Err)
			}
			said = strings.Contains(one.Err.Error(), l.where()) && strings.Contains(one.Err.Error(), "nothing was stored")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := stream.Get(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("get without a server, and without time: %v", err)
	}
	<-owned.Done() // before its lease ends in the server
}

// A name that nobody gave back is free when its lease has ended.
func TestOwnerGone(t *testing.T) {
	t.Parallel()
	s := startServer(t, &server.Options{})
	gone, _ := open(t, Options{URL: s.ClientURL(), lease: 2 * time.Second})
	owned, _, err := gone.Own(t.Context(), "name", "gone", nil)
	if err != nil {
		t.Fatal(err)
	}
	waits, _ := open(t, Options{URL: s.ClientURL(), lease: 2 * time.Second})
	told := ""
	go func() {
		time.Sleep(3 * time.Second) // it is kept for longer than a lease
		if owned.Err() != nil {
			t.Error("a name is lost that nobody else wants")
		}
		gone.nc.Close()
	}()
	_, release, err := waits.Own(t.Context(), "name", "next", func(holder string) { told = holder })
	if err != nil || told != "gone" {
		t.Errorf("%v; it waited for %q", err, told)
	}
	if owned.Err() == nil {
		t.Error("two own the name")
	}
	release()
}

// Servers that cannot do what the log needs are told apart.
func TestUnfit(t *testing.T) {
	t.Parallel()
	small := startServer(t, &server.Options{MaxPayload: 1 << 20})
	_, stream := open(t, Options{URL: small.ClientURL()})
	stored := stream.Append(t.Context(), log.Entry{Subject: "a", Data: make([]byte, 1<<20+1)}, log.Entry{Subject: "b", Data: make([]byte, 1<<10)})
	if pinfold.CodeOf(stored[0].Err) != pinfold.TooLarge || !strings.Contains(stored[0].Err.Error(), "max_payload") || stored[1].Err != nil {
		t.Errorf("a message that is too large for the server: %+v", stored)
	}
	none, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	none.Start()
	defer none.Shutdown()
	if !none.ReadyForConnections(startWait) {
		t.Fatal("the server did not start")
	}
	if _, err := Open(t.Context(), Options{URL: none.ClientURL()}); err == nil || !strings.Contains(err.Error(), "JetStream") {
		t.Errorf("a server without JetStream: %v", err)
	}
	for version, want := range map[string]bool{"2.11.9": false, "2.12.0": true, "2.15.2": true, "3.0.0": true, "1.4.1": false, "2.12.0-RC.1": true, "dev": true} {
		if atLeast(version, 2, 12) != want {
			t.Errorf("%s is at least 2.12: %v", version, !want)
		}
	}
	for _, o := range []Options{{}, {Dir: "d", URL: "u"}, {Dir: "d", Prefix: "a.b"}, {URL: "nats://127.0.0.1:1", NKey: "/none"}} {
		if _, err := Open(t.Context(), o); pinfold.CodeOf(err) != pinfold.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// Every way of saying who we are is let in, and nobody else.
func TestCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	user, _ := nkeys.CreateUser()
	seed, _ := user.Seed()
	public, _ := user.PublicKey()
	for _, test := range []struct {
		name   string
		server server.Options
		right  Options
		wrong  Options
	}{
		{"user and password", server.Options{Username: "u", Password: "p"}, Options{User: "u", Password: "p"}, Options{User: "u", Password: "wrong"}},
		{"token", server.Options{Authorization: "secret"}, Options{Token: "secret"}, Options{Token: "wrong"}},
		{"nkey", server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}}, Options{NKey: write("user.nk", seed)}, Options{}},
		{"client certificate", server.Options{TLS: true, TLSVerify: true, TLSConfig: ca.config(t)},
			Options{CA: ca.path, Certificate: ca.certificate, Key: ca.key}, Options{CA: ca.path}},
		{"TLS and password", server.Options{TLS: true, TLSConfig: ca.open(t), Username: "u", Password: "p"},
			Options{CA: ca.path, User: "u", Password: "p"}, Options{User: "u", Password: "p"}},
	} {
		s := startServer(t, &test.server)
		url := "nats://" + s.Addr().String()
		test.right.URL, test.wrong.URL = "nats://127.0.0.1:1,"+url, url // the first one is away
		_, stream := open(t, test.right)
		if stored := stream.Append(t.Context(), log.Entry{Subject: "a"}); stored[0].Err != nil {
			t.Errorf("%s: %v", test.name, stored[0].Err)
		}
		if _, err := Open(t.Context(), test.wrong); pinfold.CodeOf(err) != pinfold.Unavailable {
			t.Errorf("%s that is wrong: %v", test.name, err)
		}
	}
	o, creds := operator(t)
	s := startServer(t, o)
	open(t, Options{URL: "nats://" + s.Addr().String(), Credentials: write("user.creds", creds)})
}

// operator returns options of a server with accounts, and the credentials of a user.
func operator(t *testing.T) (*server.Options, []byte) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	pair := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		kp, err := create()
		must(err)
		public, err := kp.PublicKey()
		must(err)
		return kp, public
	}
	op, opPublic := pair(nkeys.CreateOperator)
	_, sysPublic := pair(nkeys.CreateAccount)
	account, accountPublic := pair(nkeys.CreateAccount)
	user, userPublic := pair(nkeys.CreateUser)
	opClaims, sysClaims, claims := jwt.NewOperatorClaims(opPublic), jwt.NewAccountClaims(sysPublic), jwt.NewAccountClaims(accountPublic)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	resolver := &server.MemAccResolver{}
	for public, c := range map[string]*jwt.AccountClaims{sysPublic: sysClaims, accountPublic: claims} {
		token, err := c.Encode(op)
		must(err)
		must(resolver.Store(public, token))
	}
	token, err := jwt.NewUserClaims(userPublic).Encode(account)
	must(err)
	seed, err := user.Seed()
	must(err)
	creds, err := jwt.FormatUserConfig(token, seed)
	must(err)
	return &server.Options{TrustedOperators: []*jwt.OperatorClaims{opClaims}, SystemAccount: sysPublic, AccountResolver: resolver}, creds
}

// authority signs certificates: one for 127.0.0.1, which serves as a client's, too.
type authority struct{ path, certificate, key string }

func newAuthority(t *testing.T, dir string) authority {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, err := x509.CreateCertificate(rand.Reader, template, template, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, template, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return authority{write("ca.pem", "CERTIFICATE", caDER), write("leaf.pem", "CERTIFICATE", der), write("leaf.key", "PRIVATE KEY", keyDER)}
}

// open is the configuration of a server that shows a certificate.
func (a authority) open(t *testing.T) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(a.certificate, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

// config is that of one that wants to see one, too.
func (a authority) config(t *testing.T) *tls.Config {
	t.Helper()
	c := a.open(t)
	data, err := os.ReadFile(a.path)
	if err != nil {
		t.Fatal(err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	c.ClientCAs.AppendCertsFromPEM(data)
	return c
}
