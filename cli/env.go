package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (sh *shell) env() *cobra.Command {
	return sh.withServer(&cobra.Command{
		Use:   "env",
		Short: "Print the variables that point AWS tools at the server",
		Example: `  eval $(pinfold env)
  aws lambda list-functions`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := sh.connection()
			if err != nil {
				return err
			}
			vars := []struct{ name, value string }{
				{"AWS_ENDPOINT_URL", conn.API},
				{"AWS_ACCESS_KEY_ID", conn.AccessKeyID},
				{"AWS_SECRET_ACCESS_KEY", conn.SecretAccessKey},
				{"AWS_REGION", conn.Region},
				{"AWS_DEFAULT_REGION", conn.Region},
			}
			if sh.json {
				object := map[string]string{}
				for _, v := range vars {
					object[v.name] = v.value
				}
				return sh.printJSON(object)
			}
			for _, v := range vars {
				fmt.Fprintf(sh.out, "export %s=%s;\n", v.name, shellQuote(v.value))
			}
			// A profile or a session token of the real cloud would win or spoil the signature.
			fmt.Fprintln(sh.out, "unset AWS_PROFILE AWS_SESSION_TOKEN;")
			return nil
		},
	})
}

func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
