package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
)

// withServer gives a command the flag that names the server to talk to. One whose
// answer could not be written, as to a disk that is full, has failed.
func (sh *shell) withServer(cmd *cobra.Command) *cobra.Command {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := run(cmd, args); err != nil {
			return err
		}
		return sh.out.failure()
	}
	cmd.Flags().StringVar(&sh.server, "server", "", "the server's API `URL` (PINFOLD_API)")
	return cmd
}

// connection is how a server is reached and who we are there.
type connection struct {
	API    string
	Region string
	client.Credentials
	From string // where the credentials came from; "" if there are none
}

// noKey signs where there is no key: `pinfold dev` takes every caller for the owner.
var noKey = client.Credentials{AccessKeyID: "pinfold", SecretAccessKey: "pinfold"}

func (sh *shell) connect() (*client.Client, error) {
	conn, err := sh.connection()
	if err != nil {
		return nil, err
	}
	return client.New(conn.API, conn.Region, conn.Credentials), nil
}

// connection finds the server: the flag, PINFOLD_API, what a server running on
// the data folder wrote there, the default address; and the key: the
// environment, or the root key in the data folder.
func (sh *shell) connection() (connection, error) {
	data := cmp.Or(sh.data, os.Getenv("PINFOLD_DATA"), platform.DefaultData())
	running, err := platform.ReadRunning(data)
	if err != nil {
		return connection{}, err
	}
	conn := connection{
		API:    cmp.Or(sh.server, os.Getenv("PINFOLD_API"), running.Endpoints.API, platform.Defaults().API),
		Region: cmp.Or(os.Getenv("PINFOLD_REGION"), running.Region, pinfold.DefaultRegion),
	}
	if !strings.Contains(conn.API, "://") {
		conn.API = "http://" + conn.API
	}
	if u, err := url.Parse(conn.API); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return conn, pinfold.Errorf(pinfold.Invalid, "%q is not the URL of a server: write it as http://127.0.0.1:4566", conn.API)
	}
	conn.Credentials, conn.From, err = findKey(filepath.Join(data, platform.RootKeyFile))
	sh.signed = conn.From
	return conn, err
}

// findKey returns the key to sign with and where it came from.
func findKey(file string) (client.Credentials, string, error) {
	key := client.Credentials{
		AccessKeyID:     os.Getenv("PINFOLD_ROOT_ACCESS_KEY_ID"),
		SecretAccessKey: os.Getenv("PINFOLD_ROOT_SECRET_ACCESS_KEY"),
	}
	switch {
	case key.AccessKeyID != "" && key.SecretAccessKey != "":
		return key, "PINFOLD_ROOT_ACCESS_KEY_ID", nil
	case key != client.Credentials{}:
		return key, "", pinfold.Errorf(pinfold.Invalid, "only one of PINFOLD_ROOT_ACCESS_KEY_ID and PINFOLD_ROOT_SECRET_ACCESS_KEY is set: set both or neither")
	}
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return noKey, "", nil
	}
	if err != nil {
		return key, "", pinfold.Errorf(pinfold.Denied, "reading the server's root key: %w", err)
	}
	if err := json.Unmarshal(content, &key); err != nil {
		return key, "", pinfold.Errorf(pinfold.Invalid, "%s is not a root key: %w", file, err)
	}
	return key, file, nil
}

// explain adds to a refused signature which key it was made with.
func (sh *shell) explain(err error) error {
	switch pinfold.ReasonOf(err) {
	case "SignatureDoesNotMatch", "InvalidSignatureException", "InvalidClientTokenId", "UnrecognizedClientException":
	default:
		return err
	}
	with := "the request was signed with " + sh.signed + ", which is not this server's key"
	if sh.signed == "" {
		with = "there is no root key here to sign with"
	}
	return pinfold.Errorf(pinfold.CodeOf(err), "%w\n%s: name the server's data folder with --data (PINFOLD_DATA), or set PINFOLD_ROOT_ACCESS_KEY_ID and PINFOLD_ROOT_SECRET_ACCESS_KEY",
		err, with).WithReason(pinfold.ReasonOf(err))
}
