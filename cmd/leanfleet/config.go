package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
)

func newConfig(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "config",
		GroupID: groupSetup,
		Short:   "Check and show the configuration",
		Example: "  leanfleet config show --defaults > leanfleet.yaml\n  leanfleet config check leanfleet.yaml",
		Args:    noArgs,
	}
	c.AddCommand(newConfigCheck(a), newConfigShow(a), newConfigSchema(a))
	return c
}

func newConfigCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:         "check [FILE]",
		Short:       "Check a configuration file: all mistakes at once, with line and column",
		Example:     "  leanfleet config check leanfleet.yaml",
		Args:        argsBetween(0, 1, "at most one file"),
		Annotations: map[string]string{noConfig: "yes"},
		RunE: func(_ *cobra.Command, args []string) error {
			path := a.flags.config
			if len(args) == 1 {
				path = args[0]
			}
			_, file, err := config.Resolve(path, a.env)
			var problems *config.Errors
			if errors.As(err, &problems) {
				return &exitError{exitFailed, fmt.Errorf("%w\n%s", err, plural(int64(len(problems.Problems)), "mistake"))}
			}
			if err != nil {
				return err
			}
			if file == "" {
				a.note("There is no configuration file; the defaults hold.")
				return nil
			}
			fmt.Fprintf(a.out, "%s is valid\n", file)
			return nil
		},
	}
}

func newConfigShow(a *app) *cobra.Command {
	var defaults bool
	c := &cobra.Command{
		Use:     "show",
		Short:   "Show the settings in effect, or with --defaults a commented file to start from",
		Example: "  leanfleet config show --defaults > leanfleet.yaml\n  leanfleet config show -o json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			// Not a.config: its limit is that of this run.
			shown, _, err := config.Resolve(a.flags.config, a.env)
			if err != nil {
				return err
			}
			if defaults {
				shown = config.Default()
			}
			if a.flags.output == string(config.OutputJSON) {
				return report.WriteJSON(a.out, shown)
			}
			text, err := config.Marshal(shown, defaults)
			if err != nil {
				return err
			}
			_, err = a.out.Write(text)
			return err
		},
	}
	c.Flags().BoolVar(&defaults, "defaults", false, "the defaults, each with its meaning")
	return c
}

func newConfigSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:         "schema",
		Short:       "Print the JSON Schema of the configuration, for editors",
		Example:     "  leanfleet config schema > leanfleet.schema.json",
		Args:        noArgs,
		Annotations: map[string]string{noConfig: "yes"},
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(config.Schema())
			return err
		},
	}
}
