// The ring-message test with goroutines on P processors of Go's scheduler. A mailbox is a channel of empty structs with
// N places, so that a post never waits: a task gets at most N rounds ahead of the next, which has one of them to start.
// The garbage collector is off, since all that is made lives to the end. The protocol is in cycle.hpp.
package main

import (
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

const usage = `usage: %s N R M D P
R rings of N tasks send a message around in each of M rounds; each task holds D bytes across its
waits; P threads share the rings. Prints: ok MESSAGES NANOSECONDS
`

type mailbox chan struct{}

func (box mailbox) post() { box <- struct{}{} }
func (box mailbox) take() { <-box }

type outcome struct {
	taken  int
	intact bool
}

type test struct {
	tasks, rings, rounds, dead, threads int
	start                               chan struct{}
	ready, ended                        sync.WaitGroup
}

// The size of a frame is fixed at compile time: the live bytes are the first t.dead of it.
type frame interface {
	[0]byte | [256]byte | [1000]byte | [10000]byte
}

func play[F frame](t *test, ring []mailbox, index int, result *outcome) {
	var dead F
	mark := byte(index*37 + 11)
	t.ready.Done()
	<-t.start
	for i := 0; i < t.dead; i++ {
		dead[i] = mark
	}
	own, next := ring[index], ring[(index+1)%t.tasks]
	taken, starter := 0, 0 // starter is round % N
	for round := 0; round < t.rounds; round++ {
		if starter == index {
			next.post()
			own.take()
		} else {
			own.take()
			next.post()
		}
		taken++
		if starter++; starter == t.tasks {
			starter = 0
		}
	}
	intact := true
	for i := 0; i < t.dead; i++ {
		intact = intact && dead[i] == mark
	}
	*result = outcome{taken, intact}
	t.ended.Done()
}

func (t *test) run(play func(*test, []mailbox, int, *outcome)) ([]mailbox, []outcome, time.Duration) {
	all := t.rings * t.tasks
	mailboxes, outcomes := make([]mailbox, all), make([]outcome, all)
	for i := range mailboxes {
		mailboxes[i] = make(mailbox, t.tasks)
	}
	t.start = make(chan struct{})
	t.ready.Add(all)
	t.ended.Add(all)
	for i := range mailboxes {
		first := i - i%t.tasks
		go play(t, mailboxes[first:first+t.tasks], i%t.tasks, &outcomes[i])
	}
	t.ready.Wait()
	begin := time.Now()
	close(t.start)
	t.ended.Wait()
	return mailboxes, outcomes, time.Since(begin)
}

func (t *test) check(mailboxes []mailbox, outcomes []outcome) {
	for i, outcome := range outcomes {
		if outcome.taken != t.rounds || !outcome.intact || len(mailboxes[i]) != 0 {
			fail(1, fmt.Sprintf("wrong: task %d took %d messages, not %d; live bytes intact: %v; left in its mailbox: %d",
				i, outcome.taken, t.rounds, outcome.intact, len(mailboxes[i])))
		}
	}
}

func fail(status int, reason string) {
	fmt.Fprintln(os.Stderr, reason)
	os.Exit(status)
}

// Refuses what would take more than half of the memory that is available.
func (t *test) requireMemory() {
	bytesPerTask := uint64(3072 + 2*t.dead)
	text, _ := os.ReadFile("/proc/meminfo")
	_, available, _ := strings.Cut(string(text), "MemAvailable:")
	var kibibytes uint64
	fmt.Sscan(available, &kibibytes)
	if uint64(t.rings)*uint64(t.tasks) > kibibytes*512/bytesPerTask {
		fail(77, fmt.Sprintf("%d tasks of about %d bytes do not fit into half of the available memory",
			t.rings*t.tasks, bytesPerTask))
	}
}

func readArguments() *test {
	if len(os.Args) == 2 && os.Args[1] == "--help" {
		fmt.Printf(usage, os.Args[0])
		os.Exit(0)
	}
	t := &test{}
	fields := []*int{&t.tasks, &t.rings, &t.rounds, &t.dead, &t.threads}
	good := len(os.Args) == 1+len(fields)
	for i := 0; good && i < len(fields); i++ {
		value, err := strconv.ParseUint(os.Args[1+i], 10, 63)
		*fields[i] = int(value)
		good = err == nil && value <= 1_000_000_000 && (value > 0 || fields[i] == &t.dead)
	}
	good = good && t.threads <= 1000
	overflow, _ := bits.Mul64(uint64(t.tasks*t.rings), uint64(t.rounds))
	if !good || overflow > 0 {
		fmt.Fprintf(os.Stderr, usage, os.Args[0])
		os.Exit(2)
	}
	return t
}

func main() {
	t := readArguments()
	t.requireMemory()
	runtime.GOMAXPROCS(t.threads)
	debug.SetGCPercent(-1)
	body := play[[10000]byte]
	switch {
	case t.dead == 0:
		body = play[[0]byte]
	case t.dead <= 256:
		body = play[[256]byte]
	case t.dead <= 1000:
		body = play[[1000]byte]
	case t.dead > 10000:
		fail(77, "this program was built for frames of up to 10000 live bytes")
	}
	mailboxes, outcomes, elapsed := t.run(body)
	t.check(mailboxes, outcomes)
	fmt.Println("ok", uint64(len(mailboxes))*uint64(t.rounds), elapsed.Nanoseconds())
}
