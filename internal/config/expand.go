package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Env looks up an environment variable, as os.LookupEnv does.
type Env func(name string) (value string, set bool)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${NAME} by the variable's value, ${NAME:-default} by the
// default where the variable is unset or empty, and $$ by a dollar. A dollar
// before anything else stays, so that regular expressions can be written as
// they are. Values are not expanded again. It says whether a variable was
// referred to, and returns every mistake.
func expand(s string, env Env) (out string, referred bool, mistakes []string) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			return b.String(), referred, mistakes
		}
		b.WriteString(s[:i])
		s = s[i:]
		switch s[1] {
		case '$':
			b.WriteByte('$')
			s = s[2:]
		case '{':
			referred = true
			end := strings.IndexByte(s, '}')
			if end < 0 {
				return "", true, append(mistakes, fmt.Sprintf("%q has no closing brace; write $$ for a literal dollar", s))
			}
			value, err := lookUp(s[2:end], env)
			if err != nil {
				mistakes = append(mistakes, err.Error())
			}
			b.WriteString(value)
			s = s[end+1:]
		default:
			b.WriteByte('$')
			s = s[1:]
		}
	}
}

// lookUp returns the value of the text between ${ and }.
func lookUp(inner string, env Env) (string, error) {
	name, fallback, hasFallback := strings.Cut(inner, ":-")
	if !variableName.MatchString(name) {
		return "", fmt.Errorf("${%s} does not name a variable; use ${NAME} or ${NAME:-default}, or $$ for a literal dollar", inner)
	}
	value, set := env(name)
	switch {
	case hasFallback && value == "":
		return fallback, nil
	case !set:
		return "", fmt.Errorf("variable %s is not set; set it, or give a default as ${%s:-default}", name, name)
	}
	return value, nil
}

// escape returns a text that expand turns back into s.
func escape(s string) string {
	if strings.Contains(s, "${") || strings.Contains(s, "$$") {
		return strings.ReplaceAll(s, "$", "$$")
	}
	return s
}
