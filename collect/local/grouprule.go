package local

import (
	"fmt"
	"regexp"
	"strings"
)

// GroupRule says which processes are a group. Each pattern given is a regular
// expression that must match the whole of what it looks at; a process must
// match all of them.
type GroupRule struct {
	// Group is the name of the group; parts of the patterns in parentheses
	// stand for themselves in it as $1, $2 and so on, those of Name first, then of
	// User, then of CGroup, so that one rule can make a group of each user. "" is
	// the whole of what the first pattern given looks at.
	Group string
	// Name matches the name of the program, such as postgres or java.
	Name string
	// User matches the name of the user it runs as, or his number where he has
	// no name.
	User string
	// CGroup matches the path of its control group, or of one around it, such as
	// /system.slice/postgresql.*\.service.
	CGroup string
}

// OtherGroup is the name of the group of all processes that belong to no other.
const OtherGroup = "other"

// rule is a GroupRule ready to be asked.
type rule struct {
	GroupRule
	name, user, cgroup *regexp.Regexp
}

// facts are what rules look at.
type facts struct {
	name, user, cgroup string
}

func compileRules(list []GroupRule) ([]rule, error) {
	var out []rule
	for i, g := range list {
		r := rule{GroupRule: g}
		if g.Name == "" && g.User == "" && g.CGroup == "" {
			return nil, fmt.Errorf("process group %d (%q): give a pattern of names, users or control groups", i+1, g.Group)
		}
		for _, p := range []struct {
			what, pattern string
			into          **regexp.Regexp
		}{{"name", g.Name, &r.name}, {"user", g.User, &r.user}, {"cgroup", g.CGroup, &r.cgroup}} {
			if p.pattern == "" {
				continue
			}
			re, err := regexp.Compile("^(?:" + p.pattern + ")$")
			if err != nil {
				return nil, fmt.Errorf("process group %d (%q): %s %q: %w", i+1, g.Group, p.what, p.pattern, err)
			}
			*p.into = re
		}
		if err := r.checkReferences(); err != nil {
			return nil, fmt.Errorf("process group %d: %w", i+1, err)
		}
		out = append(out, r)
	}
	return out, nil
}

var reference = regexp.MustCompile(`\$([0-9]+)`)

func (r *rule) checkReferences() error {
	n := 0
	for _, re := range []*regexp.Regexp{r.name, r.user, r.cgroup} {
		if re != nil {
			n += re.NumSubexp()
		}
	}
	for _, m := range reference.FindAllStringSubmatch(r.Group, -1) {
		var k int
		if _, err := fmt.Sscan(m[1], &k); err != nil || k < 1 || k > n {
			return fmt.Errorf("%q: the patterns have %d parts in parentheses, so there is no %s", r.Group, n, m[0])
		}
	}
	return nil
}

// match returns the group of a process, or "" when the rule does not match.
func (r *rule) match(f facts) string {
	var parts []string
	whole := ""
	for _, p := range []struct {
		re   *regexp.Regexp
		text []string
	}{{r.name, []string{f.name}}, {r.user, []string{f.user}}, {r.cgroup, nil}} {
		if p.re == nil {
			continue
		}
		texts := p.text
		if texts == nil {
			texts = around(f.cgroup)
		}
		found := false
		for _, text := range texts {
			if m := p.re.FindStringSubmatch(text); m != nil {
				parts = append(parts, m[1:]...)
				if whole == "" {
					whole = text
				}
				found = true
				break
			}
		}
		if !found {
			return ""
		}
	}
	if r.Group == "" {
		return whole
	}
	return reference.ReplaceAllStringFunc(r.Group, func(s string) string {
		var k int
		if _, err := fmt.Sscan(s[1:], &k); err != nil || k > len(parts) {
			return s
		}
		return parts[k-1]
	})
}

// around lists the control groups around one, the outermost first, and itself.
func around(cgroup string) []string {
	if cgroup == "" || cgroup == "/" {
		return []string{"/"}
	}
	var out []string
	for i := 1; i < len(cgroup); i++ {
		if cgroup[i] == '/' {
			out = append(out, cgroup[:i])
		}
	}
	return append(out, strings.TrimSuffix(cgroup, "/"))
}

// first returns the group of a process by the first rule that matches, and
// whether that rule is of control groups alone.
func first(rules []rule, f facts) (group string, byCGroup bool) {
	for i := range rules {
		if g := rules[i].match(f); g != "" {
			return g, rules[i].name == nil && rules[i].user == nil
		}
	}
	return "", false
}
