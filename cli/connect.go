package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
)

// connection is how a server is reached and who we are there.
type connection struct {
	API    string
	Region string
	client.Credentials
}

// connect finds the server: the flag, PINFOLD_API, what a server running on the
// data folder wrote there, the default address; and the key: the environment,
// or the root key in the data folder. Without any key it still tries, since a
// `pinfold dev` takes every caller for the owner.
func (sh *shell) connect() (*client.Client, error) {
	conn, err := sh.connection()
	if err != nil {
		return nil, err
	}
	return client.New(conn.API, conn.Region, conn.Credentials), nil
}

func (sh *shell) connection() (connection, error) {
	data := sh.dataFolder()
	running, err := platform.ReadRunning(data)
	if err != nil {
		return connection{}, err
	}
	conn := connection{
		API:    cmp.Or(sh.server, os.Getenv("PINFOLD_API"), running.Endpoints.API, platform.Defaults().API),
		Region: cmp.Or(os.Getenv("PINFOLD_REGION"), running.Region, pinfold.DefaultRegion),
		Credentials: client.Credentials{
			AccessKeyID:     os.Getenv("PINFOLD_ROOT_ACCESS_KEY_ID"),
			SecretAccessKey: os.Getenv("PINFOLD_ROOT_SECRET_ACCESS_KEY"),
		},
	}
	if !strings.Contains(conn.API, "://") {
		conn.API = "http://" + conn.API
	}
	if conn.AccessKeyID == "" {
		if conn.Credentials, err = readKey(filepath.Join(data, platform.RootKeyFile)); err != nil {
			return connection{}, err
		}
	}
	return conn, nil
}

func (sh *shell) dataFolder() string {
	return cmp.Or(sh.data, os.Getenv("PINFOLD_DATA"), platform.DefaultData())
}

// readKey reads the root key that a server made. A missing one gives the
// credentials that only a `pinfold dev` accepts.
func readKey(file string) (client.Credentials, error) {
	dev := client.Credentials{AccessKeyID: "pinfold", SecretAccessKey: "pinfold"}
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return dev, nil
	}
	if err != nil {
		return dev, pinfold.Errorf(pinfold.Denied, "reading the server's root key: %w", err)
	}
	var key client.Credentials
	if err := json.Unmarshal(content, &key); err != nil {
		return dev, pinfold.Errorf(pinfold.Invalid, "%s is not a root key: %w", file, err)
	}
	return key, nil
}
