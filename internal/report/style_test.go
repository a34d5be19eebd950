package report

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDetectStyle(t *testing.T) {
	f := func(name string, terminal bool, width int, goos string, env map[string]string, want Style) {
		t.Helper()
		if got := detectStyle(terminal, width, goos, func(key string) string { return env[key] }); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	type e = map[string]string
	utf8 := e{"LANG": "de_DE.UTF-8", "TERM": "xterm"}
	f("a terminal", true, 120, "linux", utf8, Style{Terminal: true, Color: true, Unicode: true, Width: 120})
	f("a pipe", false, 0, "linux", utf8, Style{Unicode: true})
	f("NO_COLOR", true, 80, "linux", e{"LANG": "C.utf8", "NO_COLOR": "1"}, Style{Terminal: true, Unicode: true, Width: 80})
	f("NO_COLOR empty", true, 80, "linux", e{"NO_COLOR": ""}, Style{Terminal: true, Color: true, Width: 80})
	f("dumb", true, 80, "linux", e{"TERM": "dumb", "LANG": "C.UTF-8"}, Style{Terminal: true, Unicode: true, Width: 80})
	f("COLUMNS on a terminal", true, 80, "linux", e{"COLUMNS": "132"}, Style{Terminal: true, Color: true, Width: 132})
	f("COLUMNS on a pipe", false, 0, "linux", e{"COLUMNS": "60"}, Style{Width: 60})
	f("COLUMNS nonsense", true, 80, "linux", e{"COLUMNS": "-3"}, Style{Terminal: true, Color: true, Width: 80})
	f("LC_ALL wins", false, 0, "linux", e{"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, Style{})
	f("LC_CTYPE wins", false, 0, "linux", e{"LC_CTYPE": "ja_JP.UTF-8@x", "LANG": "C"}, Style{Unicode: true})
	f("no locale", false, 0, "linux", e{}, Style{})
	f("Latin-1", false, 0, "linux", e{"LANG": "de_DE.ISO-8859-1"}, Style{})
	f("Windows", false, 0, "windows", e{}, Style{Unicode: true})
	f("negative width", true, -1, "linux", e{}, Style{Terminal: true, Color: true})
}

func TestDetectStyleOfAFile(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	env := func(key string) string { return map[string]string{"LANG": "C.UTF-8", "TERM": "xterm"}[key] }
	if got, want := DetectStyle(file, env), (Style{Unicode: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
