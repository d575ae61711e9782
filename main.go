// Command msdev launches the service graph of a compose file, keeps it running, and shows what its services say.
package main

import (
	"os"

	"msdev/cmd"
)

func main() { os.Exit(cmd.Main()) }
