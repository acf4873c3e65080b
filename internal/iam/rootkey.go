package iam

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"pinfold.dev/pinfold"
)

// RootKeyFile is the name of the file in the data folder that holds the root
// access key, as the JSON of [Credentials]. Only its owner may read it.
const RootKeyFile = "root-key.json"

// Credentials is an access key as AWS tools take it. SessionToken is empty for
// a long-term key.
type Credentials struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken,omitempty"`
}

// Env returns the credentials as the environment variables that AWS SDKs read.
func (c Credentials) Env() map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID":     c.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": c.SecretAccessKey,
		"AWS_SESSION_TOKEN":     c.SessionToken,
	}
}

// LoadRootKey returns the root access key kept in the data folder dir, and the
// path of its file. The first call in a folder makes the key; made then says
// so. A file that others than its owner can read is refused with code Denied,
// since whoever reads it owns the platform.
func LoadRootKey(dir string) (key Credentials, path string, made bool, err error) {
	path = filepath.Join(dir, RootKeyFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = newRootKey()
		return key, path, true, writeRootKey(path, key)
	}
	if err != nil {
		return key, path, false, pinfold.Errorf(pinfold.Unavailable, "looking for the root access key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return key, path, false, pinfold.Errorf(pinfold.Denied,
			"the root access key in %s can be read by others (mode %04o): run `chmod 600 %s`, and if anyone else may have read it, delete it so that the next start makes a new one",
			path, mode, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return key, path, false, pinfold.Errorf(pinfold.Unavailable, "reading the root access key: %w", err)
	}
	if err := json.Unmarshal(data, &key); err != nil || key.AccessKeyID == "" || key.SecretAccessKey == "" {
		return Credentials{}, path, false, pinfold.Errorf(pinfold.Invalid,
			"%s does not hold an access key: restore it, or delete it so that the next start makes a new one", path)
	}
	return key, path, false, nil
}

// newRootKey makes a key in AWS's form: 20 characters that begin with AKIA, and
// a secret of 40 with 240 random bits.
func newRootKey() Credentials {
	var id [10]byte
	var secret [30]byte
	rand.Read(id[:]) // never fails: crypto/rand ends the process instead
	rand.Read(secret[:])
	return Credentials{
		AccessKeyID:     "AKIA" + base32.StdEncoding.EncodeToString(id[:]),
		SecretAccessKey: base64.StdEncoding.EncodeToString(secret[:]),
	}
}

// writeRootKey puts the key in place whole or not at all.
func writeRootKey(path string, key Credentials) (err error) {
	defer func() {
		if err != nil {
			err = pinfold.Errorf(pinfold.Unavailable, "keeping the new root access key: %w", err)
		}
	}()
	data, err := json.MarshalIndent(key, "", "  ")
	if err != nil {
		return err
	}
	// Always the same name, so that what a crash left is not left for ever.
	unfinished := path + ".new"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	tmp, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(unfinished) // does nothing once it is renamed
	_, err = tmp.Write(append(data, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(unfinished, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync() // the name, too, outlives a power cut
}
