package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (sh *shell) env() *cobra.Command {
	return sh.withServer(&cobra.Command{
		Use:   "env",
		Short: "Print the variables that point AWS tools at the server",
		Long: `Prints shell commands that point the aws command line and every AWS SDK at the
server: its address, its region and the root access key. They are for a POSIX
shell; --json prints the variables for other uses.`,
		Example: `  eval $(pinfold env)
  aws sts get-caller-identity
  aws lambda list-functions`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := sh.connection()
			if err != nil {
				return err
			}
			if conn.From == "" && !sh.json {
				sh.note("there is no root key here: these credentials are good for `pinfold dev` alone; --data names another server's folder")
			}
			vars := []struct{ name, value string }{
				{"AWS_ENDPOINT_URL", conn.API},
				{"AWS_ACCESS_KEY_ID", conn.AccessKeyID},
				{"AWS_SECRET_ACCESS_KEY", conn.SecretAccessKey},
				{"AWS_REGION", conn.Region},
				{"AWS_DEFAULT_REGION", conn.Region},
				// Live tails would go to the host stream-127.0.0.1.
				{"AWS_DISABLE_HOST_PREFIX_INJECTION", "true"},
			}
			if sh.json {
				object := map[string]string{}
				for _, v := range vars {
					object[v.name] = v.value
				}
				return sh.printJSON(object)
			}
			for _, v := range vars {
				fmt.Fprintf(sh.out, "export %s=%s;\n", v.name, quote(v.value))
			}
			// A profile or a session token of the real cloud would win or spoil the signature.
			fmt.Fprintln(sh.out, "unset AWS_PROFILE AWS_SESSION_TOKEN;")
			return nil
		},
	})
}
