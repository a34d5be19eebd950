package report

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// Style says what the reader of a text can show. The zero Style suits a plain file: ASCII, no colour, any width.
type Style struct {
	// Terminal says that somebody is looking; it changes no renderer, but callers limit rows by it.
	Terminal bool
	// Color allows ANSI colours.
	Color bool
	// Unicode allows box-drawing characters, blocks and "…"; without it the same is drawn in ASCII. Names and other
	// texts of the user are printed as they are either way.
	Unicode bool
	// Width is the number of character cells in a line, 0 if unlimited.
	Width int
}

// DetectStyle returns what a file can show, asking the system about the file and env (usually os.Getenv) about the
// user's wishes. Colours need a terminal, no NO_COLOR and a TERM other than dumb; the width is COLUMNS, else the
// terminal's, else unlimited; Unicode needs a UTF-8 locale in LC_ALL, LC_CTYPE or LANG, the first that is set.
func DetectStyle(f *os.File, env func(string) string) Style {
	terminal, width := false, 0
	if fd := int(f.Fd()); term.IsTerminal(fd) {
		terminal = true
		if columns, _, err := term.GetSize(fd); err == nil {
			width = columns
		}
	}
	return detectStyle(terminal, width, runtime.GOOS, env)
}

func detectStyle(terminal bool, width int, goos string, env func(string) string) Style {
	s := Style{
		Terminal: terminal,
		Color:    terminal && env("NO_COLOR") == "" && env("TERM") != "dumb",
		Width:    max(width, 0),
	}
	if columns, err := strconv.Atoi(env("COLUMNS")); err == nil && columns > 0 {
		s.Width = columns
	}
	locale := ""
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale = env(name); locale != "" {
			break
		}
	}
	_, charset, _ := strings.Cut(locale, ".")
	charset, _, _ = strings.Cut(strings.ToLower(charset), "@")
	// Windows has no such variables, and its console takes Unicode from Go programs.
	s.Unicode = charset == "utf-8" || charset == "utf8" || locale == "" && goos == "windows"
	return s
}

// The ANSI attributes in use.
const (
	ansiBold = "\x1b[1m"
	ansiDim  = "\x1b[2m"
	ansiOff  = "\x1b[0m"
)

// paint wraps a text in an ANSI attribute if the style has colours.
func (s Style) paint(attribute, text string) string {
	if !s.Color || attribute == "" || text == "" {
		return text
	}
	return attribute + text + ansiOff
}

// ellipsis marks text that was cut off.
func (s Style) ellipsis() string {
	if s.Unicode {
		return "…"
	}
	return "..."
}
