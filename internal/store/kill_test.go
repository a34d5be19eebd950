package store

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
)

// The process of the kill test appends and seals over and over. Append number k
// writes rows of a new hour, some of which start a new day, and changes rows of
// days that may be sealed; after every second one it seals everything.

const killAppendHosts = 12

func killAppend(k int) []fleet.Batch {
	var out []fleet.Batch
	for h := range killAppendHosts {
		b := fleet.Batch{Host: fleet.HostID(fmt.Sprintf("host-%02d", h)), Origin: fleet.OriginAgent, Step: 900_000}
		if h%4 == 3 {
			b.Group = "nginx"
		}
		c := fleet.Column{Metric: fleet.CPUUsage}
		if late := k - 1 - k%7; h%3 == 0 && late > 0 { // rows that were appended before
			b.Start, c.Values = append(b.Start, killTime(late)), append(c.Values, int32(k))
		}
		for q := range int64(4) {
			b.Start, c.Values = append(b.Start, killTime(k)+q*900_000), append(c.Values, int32(k))
		}
		b.Columns = []fleet.Column{c}
		out = append(out, b)
	}
	return out
}

// killTime is when the rows of an append start: six appends a day.
func killTime(k int) int64 { return dayStart + int64(k)*4*3600_000 }

func childAppend(dir string) {
	s, err := Open(context.Background(), Options{Dir: dir, SealAfter: -1})
	if err != nil {
		childFailed(err)
	}
	first, err := strconv.Atoi(os.Args[2])
	if err != nil {
		childFailed(err)
	}
	for k := first; ; k++ {
		fmt.Println("begin", k)
		if _, err := s.Append(context.Background(), killAppend(k)); err != nil {
			childFailed(err)
		}
		fmt.Println("end", k)
		if k%2 == 0 {
			fmt.Println("seal", k)
			if err := s.Seal(context.Background()); err != nil {
				childFailed(err)
			}
			fmt.Println("sealed", k)
		}
	}
}

// killedAt is what a killed process had said.
type killedAt struct {
	begun, ended int
	sealing      bool
}

// TestKillHead kills a real process at random moments of its appends and seals,
// 200 times, and looks at what it leaves: exactly the appends that it said had
// ended, and at most the one that it was in, whole, and each in its order.
func TestKillHead(t *testing.T) {
	rounds, atLeast := 200, 40
	if testing.Short() {
		rounds, atLeast = 20, 2
	}
	if n, err := strconv.Atoi(os.Getenv("LEANFLEET_KILL_ROUNDS")); err == nil {
		rounds, atLeast = n, n/5
	}
	dir := t.TempDir()
	coin := rand.New(rand.NewPCG(5, 6))
	want, applied := model{}, 0
	sealing, inside := 0, 0
	for round := range rounds {
		x := killAppends(t, dir, applied+1, time.Duration(coin.Int64N(int64(60*time.Millisecond))))
		if x.sealing {
			sealing++
		}
		if x.begun > x.ended {
			inside++
		}
		for applied < x.ended {
			applied++
			applyAll(want, killAppend(applied))
		}
		applied = afterAppends(t, dir, want, applied, x.begun)
		if round%10 == 9 { // else nothing would ever be deleted in a run that is killed soon
			s := open(t, dir, func(o *Options) { o.noSync = true })
			_, err := s.Retain(10 * 24 * time.Hour)
			must(t, err)
			want = everything(t, s)
			must(t, s.Close())
		}
	}
	t.Logf("%d of %d kills were inside a seal, %d inside an append; %d appends", sealing, rounds, inside, applied)
	if sealing < atLeast {
		t.Errorf("only %d of %d kills were inside a seal", sealing, rounds)
	}
}

func applyAll(m model, batches []fleet.Batch) {
	for _, b := range batches {
		m.apply(b)
	}
}

// everything is all that a store has of hosts and process groups.
func everything(t testing.TB, s *Store) model {
	t.Helper()
	out := dump(t, s)
	for key, row := range dumpOf(t, s, ofGroups) {
		out[key] = row
	}
	return out
}

// killAppends starts the process and kills it some time after its first append
// has begun.
func killAppends(t *testing.T, dir string, first int, after time.Duration) killedAt {
	t.Helper()
	cmd := child(t, "append", dir, strconv.Itoa(first))
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	x := killedAt{begun: first - 1, ended: first - 1}
	lines := bufio.NewScanner(out)
	var timer *time.Timer
	for lines.Scan() {
		word, number, _ := strings.Cut(lines.Text(), " ")
		k, err := strconv.Atoi(number)
		must(t, err)
		switch word {
		case "begin":
			x.begun = k
			if timer == nil {
				timer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
			}
		case "end":
			x.ended = k
		}
		x.sealing = word == "seal"
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the process was not killed: %v", err)
	}
	return x
}

// afterAppends checks the directory, for readers and for writers, and returns
// the last append that it holds.
func afterAppends(t *testing.T, dir string, want model, applied, begun int) int {
	t.Helper()
	must(t, wholeFiles(dir))
	reader, err := Open(t.Context(), Options{Dir: dir, ReadOnly: true})
	if err != nil && !strings.Contains(err.Error(), ErrNoData.Error()) {
		t.Fatal(err)
	}
	var seen model
	if err == nil {
		seen = everything(t, reader)
		must(t, reader.Close())
	}
	s := open(t, dir, func(o *Options) { o.noSync = true })
	got := everything(t, s)
	if seen != nil && !seen.equal(got) {
		t.Fatalf("(-reader +recovered):\n%s", cmp.Diff(seen, got))
	}
	if !got.equal(want) && begun > applied {
		applyAll(want, killAppend(begun))
		applied = begun
	}
	if !got.equal(want) {
		t.Fatalf("append %d had begun; after append %d (-want +got):\n%s", begun, applied, cmp.Diff(want, got))
	}
	must(t, inOrder(t, s))
	must(t, s.Close())
	return applied
}

// childFull appends until the disk takes no more: files may not grow beyond a
// limit. It prints what was acknowledged, and then that appends go on after room
// was made.
func childFull(dir string) {
	s, err := Open(context.Background(), Options{Dir: dir, SealAfter: -1})
	if err != nil {
		childFailed(err)
	}
	big := func(k int) []fleet.Batch {
		g := &generated{metrics: eighteen()}
		var b fleet.Batch
		g.batch(&b, k, 0, 1440)
		return []fleet.Batch{b}
	}
	limit := func(bytes uint64) {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
			childFailed(err)
		}
		now.Cur = min(bytes, now.Max)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
			childFailed(err)
		}
	}
	limit(256 << 10)
	k := 0
	for ; k < 100; k++ {
		if _, err = s.Append(context.Background(), big(k)); err != nil {
			break
		}
		fmt.Println("stored", k)
	}
	fmt.Println("failed", err)
	for range 3 {
		if _, err := s.Append(context.Background(), big(k)); err == nil {
			childFailed(fmt.Errorf("an append to a full disk is acknowledged"))
		}
	}
	limit(1 << 40)
	if _, err := s.Append(context.Background(), big(k)); err != nil {
		childFailed(fmt.Errorf("when there is room again: %w", err))
	}
	fmt.Println("stored", k)
	if err := s.Close(); err != nil {
		childFailed(err)
	}
}

// TestFullDisk: appends to a disk that takes no more are refused with the file's
// name, cost nothing that was acknowledged, and go on when there is room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], dir)
	cmd.Env = append(os.Environ(), childVar+"=full")
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	stored, failure := 0, ""
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "stored") {
			stored++
		} else if rest, ok := strings.CutPrefix(line, "failed "); ok {
			failure = rest
		}
	}
	if !strings.Contains(failure, "file too large") || !strings.Contains(failure, dir) || stored < 2 {
		t.Errorf("%s", text)
	}
	s := open(t, dir)
	if got := len(dump(t, s)); got != stored*1440 {
		t.Errorf("%d rows are stored, %d were acknowledged", got, stored*1440)
	}
	must(t, inOrder(t, s))
}
