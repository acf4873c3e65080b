package sigv4

import (
	"net/http"
	"time"

	"pinfold.dev/pinfold"
)

// Identities knows the bearers of access keys; internal/iam is one.
type Identities interface {
	// Lookup finds who bears an access key, and the secret it signs with.
	Lookup(accessKeyID, sessionToken string) (secret string, who pinfold.Principal, found bool)
	// Root is the owner of the account.
	Root() pinfold.Principal
}

// Authenticator finds out who sent a request.
type Authenticator struct {
	identities Identities
	open       bool
	keys       keys
}

// NewAuthenticator returns an Authenticator that believes signatures only.
func NewAuthenticator(ids Identities) *Authenticator { return &Authenticator{identities: ids} }

// NewOpenAuthenticator returns one that takes every request for one of the
// account's owner, signed or not. It is for development alone.
func NewOpenAuthenticator(ids Identities) *Authenticator {
	return &Authenticator{identities: ids, open: true}
}

// Authenticate returns who sent a request. body is its whole body. Errors are
// those of [Verify].
func (a *Authenticator) Authenticate(r *http.Request, body []byte) (pinfold.Principal, error) {
	if a.open {
		who := a.identities.Root()
		if id, _, _, ok := Scope(r); ok {
			who.AccessKeyID = id
		}
		return who, nil
	}
	who, _, err := a.verify(r, body)
	return who, err
}

// For returns Authenticate for a door that leads to one service: a signature
// that is scoped to another service does not open it.
func (a *Authenticator) For(service string) func(r *http.Request, body []byte) (pinfold.Principal, error) {
	return func(r *http.Request, body []byte) (pinfold.Principal, error) {
		if a.open {
			return a.Authenticate(r, body)
		}
		who, signature, err := a.verify(r, body)
		if err == nil && signature.Service != service {
			return pinfold.Principal{}, refused("Credential should be scoped to correct service: '%s'.", service)
		}
		return who, err
	}
}

func (a *Authenticator) verify(r *http.Request, body []byte) (who pinfold.Principal, signature Signature, err error) {
	signature, err = verify(r, body, func(accessKeyID, sessionToken string) (secret string, found bool) {
		secret, who, found = a.identities.Lookup(accessKeyID, sessionToken)
		return secret, found
	}, time.Now(), a.keys.of)
	if err != nil {
		return pinfold.Principal{}, signature, err
	}
	return who, signature, nil
}
