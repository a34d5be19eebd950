package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/config"
)

// flags are those all verbs share.
type flags struct {
	data, config, output, columns, sortBy string
	limit                                 int
	quiet                                 bool
}

// The groups verbs are listed in by the help text.
const (
	groupAnswers = "answers"
	groupData    = "data"
	groupSetup   = "setup"
)

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "leanfleet",
		Short: "Measure fleets of virtual machines and decide about their cost",
		Long: `leanfleet stores what hosts use, answers fleet statistics and trends from raw
samples, and keeps what each host was at the time: size, region, tags.

Start with "leanfleet demo", or import what you have:
  leanfleet import samples usage.csv.gz --inventory hosts.csv
  leanfleet stats --metric cpu_usage --range 28d --group-by dept`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
	}
	root.AddGroup(
		&cobra.Group{ID: groupAnswers, Title: "Answers:"},
		&cobra.Group{ID: groupData, Title: "Data:"},
		&cobra.Group{ID: groupSetup, Title: "Setup:"},
	)
	f := root.PersistentFlags()
	f.StringVar(&a.flags.data, "data", "", "data `directory` (default: the configured one, else the user's data directory)")
	f.StringVar(&a.flags.config, "config", "", "configuration `file` (default: $LEANFLEET_CONFIG, else the user's)")
	f.StringVarP(&a.flags.output, "output", "o", "", "output `format`: table, wide, json, jsonl or csv")
	f.StringVar(&a.flags.columns, "columns", "", "columns to print, by `key,key`")
	f.StringVar(&a.flags.sortBy, "sort-by", "", "sort by `key`; -key sorts descending, +key ascending")
	f.IntVar(&a.flags.limit, "limit", 0, "`rows` to print; 0 prints all (default: 20 on a terminal, all elsewhere)")
	f.BoolVarP(&a.flags.quiet, "quiet", "q", false, "no progress and no notes on standard error")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w\nSee %q", flagError(c, err), c.CommandPath()+" --help"))
	})
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return a.prepare(c) }
	root.SetHelpCommandGroupID(groupSetup)
	root.SetCompletionCommandGroupID(groupSetup)
	for _, verb := range verbs(a) {
		root.AddCommand(verb)
	}
	a.addEngineFlags(root)
	// A command without a verb of its own prints its help and is wrong usage.
	for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
		if c.HasSubCommands() && c.RunE == nil {
			if c.Annotations == nil {
				c.Annotations = map[string]string{}
			}
			c.Annotations[groupOnly] = "yes"
			c.RunE = func(c *cobra.Command, _ []string) error {
				if err := c.Help(); err != nil {
					return err
				}
				return &exitError{code: exitUsage}
			}
		}
	}
	return root
}

// verbs lists every verb once, in the order of the help text.
func verbs(a *app) []*cobra.Command {
	return []*cobra.Command{
		newStats(a), newTrend(a), newRightsize(a), newUnderused(a), newBacktest(a), newTop(a), newHosts(a), newPrices(a), newChargeback(a), newStatus(a),
		newCollect(a), newImport(a), newExport(a), newSimulate(a), newSeal(a), newRetain(a), newRepair(a),
		newDemo(a), newConfig(a), newVersion(a),
	}
}

// flagError names the flag that was probably meant.
func flagError(c *cobra.Command, err error) error {
	name, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return err
	}
	return fmt.Errorf("unknown flag --%s%s", name, fleet.DidYouMean(name, flagNames(c)))
}

// noArgs refuses arguments as wrong usage, naming the verb that was probably
// meant.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !c.HasSubCommands() {
		return usage(fmt.Errorf("%s takes no arguments, but got %q", c.CommandPath(), args[0]))
	}
	var names []string
	for _, x := range c.Commands() {
		names = append(names, x.Name())
	}
	return usage(fmt.Errorf("unknown verb %q of %s%s\nSee %q", args[0], c.CommandPath(), fleet.DidYouMean(args[0], names), c.CommandPath()+" --help"))
}

// argsBetween wants from min to max arguments; max below 0 is any number.
func argsBetween(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usage(fmt.Errorf("%s wants %s\nSee %q", c.CommandPath(), what, c.CommandPath()+" --help"))
		}
		return nil
	}
}

// prepare reads the configuration and overlays the flags.
func (a *app) prepare(c *cobra.Command) error {
	if c.Annotations[noConfig] != "" {
		a.config = config.Default()
		return a.checkView(c)
	}
	var err error
	a.config, a.configFile, err = config.Resolve(a.flags.config, a.env)
	if err != nil {
		var problems *config.Errors
		if errors.As(err, &problems) {
			return usage(err)
		}
		return err
	}
	if more := strings.Fields(c.Annotations[moreFormats]); a.flags.output != "" && !slices.Contains(more, a.flags.output) {
		if err := a.config.Output.UnmarshalText([]byte(a.flags.output)); err != nil {
			if len(more) > 0 {
				err = fmt.Errorf("%w; here also %s", err, strings.Join(more, ", "))
			}
			return usage(fmt.Errorf("--output: %w", err))
		}
	}
	if err := a.checkEngineFlags(c); err != nil {
		return err
	}
	if a.flags.limit < 0 {
		return usage(fmt.Errorf("--limit %d is negative", a.flags.limit))
	}
	switch {
	case c.Flags().Changed("limit"):
		a.config.Limit = a.flags.limit
	case !a.style.Terminal || a.config.Output != config.OutputTable && a.config.Output != config.OutputWide:
		a.config.Limit = 0
	}
	return a.checkView(c)
}

// moreFormats is the annotation of verbs that write more formats than all do:
// their names, separated by spaces. The verb finds the name in the flags.
const moreFormats = "formats"

// groupOnly marks commands that only hold verbs.
const groupOnly = "group-only"

// noConfig marks verbs that work without a configuration.
const noConfig = "no-config"
