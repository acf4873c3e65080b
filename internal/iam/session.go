package iam

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"strings"

	"pinfold.dev/pinfold"
)

// DefaultRole is the name of the role that a function without one runs under.
const DefaultRole = "pinfold-function"

// session says whose a function's credentials are. It travels inside the
// session token under a seal, so there is nothing to remember and nothing to
// clean up: key and secret follow from it and the service's master secret.
type session struct {
	Account  string `json:"a"`
	Role     string `json:"r"`
	Function string `json:"f"`
}

// CredentialsFor returns the credentials that instances of a version get in
// their environment. They name the function's role, are the same for every
// version under that role, and are worth nothing once the process has ended.
func (s *Service) CredentialsFor(v *pinfold.Version) Credentials {
	role := DefaultRole
	if arn, ok := pinfold.ParseARN(v.Config.Role); ok {
		// A role's path is not part of an assumed role's ARN.
		role = arn.Resource[strings.LastIndexByte(arn.Resource, '/')+1:]
	}
	payload, err := json.Marshal(session{Account: v.Ref.Account, Role: role, Function: v.Ref.Name})
	if err != nil {
		panic("iam: three strings cannot fail to be JSON: " + err.Error())
	}
	return s.credentials(payload)
}

func (s *Service) credentials(payload []byte) Credentials {
	return Credentials{
		AccessKeyID:     "ASIA" + base32.StdEncoding.EncodeToString(s.derive("id", payload))[:16],
		SecretAccessKey: base64.StdEncoding.EncodeToString(s.derive("secret", payload))[:40],
		SessionToken: base64.RawURLEncoding.EncodeToString(payload) + "." +
			base64.RawURLEncoding.EncodeToString(s.derive("token", payload)),
	}
}

func (s *Service) derive(purpose string, payload []byte) []byte {
	mac := hmac.New(sha256.New, s.master[:])
	mac.Write([]byte(purpose))
	mac.Write([]byte{0})
	mac.Write(payload)
	return mac.Sum(nil)
}

func (s *Service) lookupSession(accessKeyID, token string) (secret string, who pinfold.Principal, found bool) {
	encoded, _, ok := strings.Cut(token, ".")
	if !ok {
		return "", who, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", who, false
	}
	want := s.credentials(payload)
	if !hmac.Equal([]byte(want.SessionToken), []byte(token)) || !hmac.Equal([]byte(want.AccessKeyID), []byte(accessKeyID)) {
		return "", who, false
	}
	var in session
	if json.Unmarshal(payload, &in) != nil {
		return "", who, false
	}
	return want.SecretAccessKey, in.principal(accessKeyID), true
}

// principal is how AWS shows a running function: the session of an assumed role
// that is called like the function.
func (in session) principal(accessKeyID string) pinfold.Principal {
	id := sha256.Sum256([]byte("role\x00" + in.Account + "\x00" + in.Role))
	return pinfold.Principal{
		Kind:        pinfold.Role,
		Account:     in.Account,
		ARN:         "arn:aws:sts::" + in.Account + ":assumed-role/" + in.Role + "/" + in.Function,
		UserID:      "AROA" + base32.StdEncoding.EncodeToString(id[:])[:17] + ":" + in.Function,
		AccessKeyID: accessKeyID,
	}
}
