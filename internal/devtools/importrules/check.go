package importrules

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Package is one package of an import graph, as "go list -json" tells it.
// Imports are those of its files without the tests.
type Package struct {
	ImportPath string
	Standard   bool // part of the standard library
	Dir        string
	GoFiles    []string // file names in Dir, without tests
	CgoFiles   []string
	Imports    []string
}

// Graph is a set of packages by import path.
type Graph map[string]Package

// Violation is one breach of a rule.
type Violation struct {
	Rule  Rule
	Chain []string // from the bound package to what it must not import, through what
	At    string   // of a clock that is read: file:line:column and the call
}

// String names the rule, the way to the import and the reason for the rule.
func (v Violation) String() string {
	return fmt.Sprintf("%s: %s%s (%s)", v.Rule.Name, strings.Join(v.Chain, " -> "), v.At, v.Rule.Why)
}

// List returns the packages of the module in dir and all they depend on.
func List(ctx context.Context, dir string) (Graph, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=ImportPath,Standard,Dir,GoFiles,CgoFiles,Imports", "./...")
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w\n%s", err, stderr.String())
	}
	g := Graph{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return g, nil
		} else if err != nil {
			return nil, fmt.Errorf("read list of packages: %w", err)
		}
		g[p.ImportPath] = p
	}
}

// Check returns the violations of the rules by the packages of a module, in
// the order of the rules and then of the packages. For each package it must
// not import a bound package shows one shortest chain. The error is that of a
// source file that cannot be read.
func Check(g Graph, module string, rules []Rule) ([]Violation, error) {
	var out []Violation
	for _, r := range rules {
		for _, path := range g.members(module) {
			rel := relative(path, module)
			if r.Bound != nil && unit(r.Bound, rel) == "" || unit(r.Except, rel) != "" {
				continue
			}
			out = append(out, g.checkImports(r, path, module)...)
			if r.Clock {
				calls, err := clockReads(g[path])
				if err != nil {
					return nil, err
				}
				for _, at := range calls {
					out = append(out, Violation{Rule: r, Chain: []string{path}, At: " reads the clock at " + at})
				}
			}
		}
	}
	return out, nil
}

// members lists the import paths of a module in order.
func (g Graph) members(module string) []string {
	var out []string
	for path := range g {
		if below(path, module) {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// checkImports walks the imports of one package, nearest first.
func (g Graph) checkImports(r Rule, from, module string) []Violation {
	var out []Violation
	own := unit(r.Bound, relative(from, module))
	cameFrom := map[string]string{from: ""}
	queue := []string{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, to := range g[at].Imports {
			if _, seen := cameFrom[to]; seen {
				continue
			}
			cameFrom[to] = at
			switch {
			case own != "" && below(to, module) && unit([]string{own}, relative(to, module)) != "":
				// A package of the same folder answers for itself, but what it
				// imports is imported by this one as well.
				queue = append(queue, to)
			case r.denies(g[to], to, module):
				out = append(out, Violation{Rule: r, Chain: chain(cameFrom, to)})
			case r.Deep && !g[to].Standard:
				queue = append(queue, to)
			}
		}
	}
	return out
}

func (r Rule) denies(p Package, path, module string) bool {
	if slices.ContainsFunc(r.Outside, func(s string) bool { return below(path, s) }) {
		return true
	}
	if r.StdOnly && !p.Standard {
		return true
	}
	return below(path, module) && unit(r.Deny, relative(path, module)) != ""
}

func chain(cameFrom map[string]string, to string) []string {
	var out []string
	for ; to != ""; to = cameFrom[to] {
		out = append(out, to)
	}
	slices.Reverse(out)
	return out
}

// below reports whether an import path is root or lies under it.
func below(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// relative is the folder of a package in its module, "." for the root.
func relative(path, module string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

// unit returns the folder that one of the patterns matches in rel, or "".
func unit(patterns []string, rel string) string {
	segments := strings.Split(rel, "/")
	for _, p := range patterns {
		want := strings.Split(p, "/")
		if len(want) <= len(segments) && slices.EqualFunc(want, segments[:len(want)], func(w, s string) bool {
			return w == s || w == "*" && s != "internal"
		}) {
			return strings.Join(segments[:len(want)], "/")
		}
	}
	return ""
}

// clockReads lists the places where the files of a package read the clock.
func clockReads(p Package) ([]string, error) {
	var out []string
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("look for the clock in %s: %w", p.ImportPath, err)
		}
		timeName := ""
		for _, i := range f.Imports {
			if i.Path.Value == `"time"` {
				timeName = "time"
				if i.Name != nil {
					timeName = i.Name.Name
				}
			}
		}
		if timeName == "" {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			name := ""
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == timeName {
					name = n.Sel.Name
				}
			case *ast.Ident:
				if timeName == "." {
					name = n.Name
				}
			}
			if name == "Now" || name == "Since" || name == "Until" {
				pos := fset.Position(n.Pos())
				out = append(out, fmt.Sprintf("%s:%d:%d time.%s", filepath.Base(pos.Filename), pos.Line, pos.Column, name))
			}
			return true
		})
	}
	return out, nil
}
