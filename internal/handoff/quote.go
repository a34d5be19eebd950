package handoff

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain is text that the shell takes as one word as it is.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+,-]+$`)

// quote makes one word of a text, whatever is in it, for bash. It never
// contains a line break, so that it cannot end a comment.
func quote(s string) string {
	if plain.MatchString(s) {
		return s
	}
	if strings.IndexFunc(s, unprintable) < 0 && utf8.ValidString(s) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20 || c >= 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	// Two digits end an escape, but a literal hexadecimal digit behind one would
	// not be read as part of it: bash takes two digits at most.
	return b.String()
}

// unprintable are characters that could end a line or turn its direction.
func unprintable(r rune) bool { return !unicode.IsGraphic(r) || r == '\u2028' || r == '\u2029' }

// comment makes one line of a text, for a comment.
func comment(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 && utf8.ValidString(s) {
		return s
	}
	quoted := strconv.QuoteToGraphic(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
