package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/internal/zones"
)

// version is the release; the linker may set another one.
var version = "0.1.0-dev"

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:         "version",
		GroupID:     groupSetup,
		Short:       "Print the version, and of which data it is made",
		Example:     "  leanfleet version",
		Args:        noArgs,
		Annotations: map[string]string{noConfig: "yes"},
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(a.out, "leanfleet %s (%s, %s/%s)\ntime zones %s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, zones.Version())
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						fmt.Fprintf(a.out, "revision %s\n", s.Value)
					}
				}
			}
			return nil
		},
	}
}
