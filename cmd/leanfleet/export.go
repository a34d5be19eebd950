package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
)

func newExport(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "export",
		GroupID: groupData,
		Short:   "Write stored samples or records to a file",
		Example: "  leanfleet export samples --range 30d --file usage.parquet\n  leanfleet export inventory --file hosts.csv",
		Args:    noArgs,
	}
	c.AddCommand(newExportSamples(a), newExportInventory(a))
	return c
}

func newExportSamples(a *app) *cobra.Command {
	req := leanfleet.ExportRequest{What: "samples"}
	var scope scopeFlags
	var file string
	c := &cobra.Command{
		Use:   "samples",
		Short: "Write samples as CSV or Parquet, to be imported again or read by others",
		Long: `Samples in wide form: host, timestamp (the start of the interval), one column a
metric in its own unit. Importing the file again stores the same values. The
sealed files of the data directory can also be read as they lie, by DuckDB and
others; docs/files.md has the queries.`,
		Example: `  leanfleet export samples --range 2026-01 --file january.parquet
  leanfleet export samples -l dept=eng --metrics cpu_usage,memory_usage --range 7d > eng.csv`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if req.Scope, err = scope.resolve(a); err != nil {
				return err
			}
			req.Metrics = list(req.Metrics)
			if req.Format == "" && strings.HasSuffix(file, ".parquet") {
				req.Format = "parquet"
			}
			return a.export(c, &req, file)
		},
	}
	scope.add(c, leanfleet.DefaultExportRange)
	c.Flags().StringSliceVar(&req.Metrics, "metrics", nil, "`names` of the metrics (default: all that have samples)")
	c.Flags().StringVar(&req.Format, "format", "", "`csv or parquet` (default: by the file's name, else csv)")
	c.Flags().StringVar(&req.Times, "times", "", "how CSV writes times: `rfc3339 or unix_ms` (default rfc3339)")
	c.Flags().StringVar(&file, "file", "", "`file` to write (default: standard output); .gz is compressed")
	return c
}

func newExportInventory(a *app) *cobra.Command {
	req := leanfleet.ExportRequest{What: "inventory"}
	var file string
	c := &cobra.Command{
		Use:     "inventory",
		Short:   "Write all records as CSV, to be imported again",
		Example: "  leanfleet export inventory -l provider=aws --file hosts.csv",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.export(c, &req, file)
		},
	}
	c.Flags().StringVarP(&req.Select, "selector", "l", "", "hosts, such as `dept=eng,env!=dev`")
	c.Flags().StringVar(&file, "file", "", "`file` to write (default: standard output)")
	return c
}

// export writes to a file, which appears only when it is whole, or to standard
// output.
func (a *app) export(c *cobra.Command, req *leanfleet.ExportRequest, path string) error {
	if path == "" {
		w := bufio.NewWriter(a.out)
		req.Output = w
		if err := a.exportTo(c, req); err != nil {
			return err
		}
		return w.Flush()
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	w := bufio.NewWriterSize(io.Writer(f), 1<<20)
	packed, finish := compressed(w, path)
	req.Output = packed
	err = a.exportTo(c, req)
	for _, step := range []func() error{finish, w.Flush, func() error { return f.Chmod(0o644) }, f.Sync, f.Close} {
		if stepErr := step(); err == nil && stepErr != nil {
			err = fmt.Errorf("write %s: %w", path, stepErr)
		}
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return nil
}

// compressed packs what a file's name says is packed.
func compressed(w io.Writer, path string) (io.Writer, func() error) {
	if strings.HasSuffix(path, ".gz") {
		z := gzip.NewWriter(w)
		return z, z.Close
	}
	return w, func() error { return nil }
}

func (a *app) exportTo(c *cobra.Command, req *leanfleet.ExportRequest) error {
	r, err := ask[leanfleet.ExportResult](c.Context(), a, "export", req)
	if err != nil {
		return err
	}
	what := plural(r.Rows, "row") + " of " + plural(int64(r.Hosts), "host")
	if req.What == "samples" {
		what += ", " + plural(r.Samples, "sample") + " in " + window(r.Window, a.location())
	}
	a.note("exported %s", what)
	for _, n := range damageNotes(r.Damaged) {
		a.note("%s", n)
	}
	if r.Rows == 0 {
		a.note("nothing was found; leanfleet status says what the data covers")
	}
	return nil
}
