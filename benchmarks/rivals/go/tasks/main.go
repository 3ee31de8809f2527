// Go: the jobs inside a process, with goroutines for tasks. job=… n=…   The driver sets GOMAXPROCS.
package main

import (
	"context"
	"errors"
	"math/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	. "benchmarks/common"
)

func measureSwitch(n int) {
	var both sync.WaitGroup
	var done atomic.Int64
	both.Add(2)
	begin := time.Now()
	for k := 0; k < 2; k++ {
		go func() {
			for i := 0; i < n/2; i++ {
				runtime.Gosched()
			}
			done.Add(int64(n / 2))
			both.Done()
		}()
	}
	both.Wait()
	ns := NsEach(begin, n)
	Prove(int(done.Load()) == n/2*2, "every switch was made")
	Print("switch", ns, "ns")
}

func measureSpawn(n int) {
	results := make(chan int)
	sum := 0
	begin := time.Now()
	for i := 0; i < n; i++ {
		go func() { results <- 1 }()
		sum += <-results
	}
	ns := NsEach(begin, n)
	Prove(sum == n, "every task gave its result")
	Print("spawn", ns, "ns")
}

func gatherOnce(n int) {
	results := make([]int, n)
	var all sync.WaitGroup
	all.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) { results[i] = i; all.Done() }(i)
	}
	all.Wait()
	sum := 0
	for _, result := range results {
		sum += result
	}
	Prove(sum == n*(n-1)/2, "every result is there")
}
func measureGather(n, repeats int) {
	before := Resident()
	begin := time.Now()
	gatherOnce(n)
	cold := NsEach(begin, n)
	bytes := (Peak() - before) / float64(n)
	begin = time.Now()
	for i := 0; i < repeats; i++ {
		gatherOnce(n)
	}
	Print("gather", NsEach(begin, n*repeats), "ns", "cold_ns", cold, "bytes", bytes)
}

//go:noinline
func deep(depth int) int {
	if depth == 0 {
		return 1
	}
	return 1 + deep(depth-1)
}
func measureDepth(n, depth int) {
	sum := 0
	begin := time.Now()
	for i := 0; i < n; i++ {
		sum += deep(depth - 1)
	}
	ns := NsEach(begin, n*depth)
	Prove(sum == n*depth, "every level was entered")
	Print("await_depth", ns, "ns")
}

func sleepUntilCancelled(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
func measureCancelOne(n int) {
	cancelled := 0
	ended := make(chan error)
	begin := time.Now()
	for i := 0; i < n; i++ {
		ctx, cancel := context.WithCancel(context.Background())
		go func() { ended <- sleepUntilCancelled(ctx) }()
		runtime.Gosched()
		cancel()
		if errors.Is(<-ended, context.Canceled) {
			cancelled++
		}
	}
	us := NsEach(begin, n) / 1000
	Prove(cancelled == n, "every task ended cancelled")
	Print("cancel_collect", us, "us")
}
func measureCancelMany(n int) {
	cancels := make([]context.CancelFunc, n)
	ended := make(chan error, n)
	for i := range cancels {
		ctx, cancel := context.WithCancel(context.Background())
		cancels[i] = cancel
		go func() { ended <- sleepUntilCancelled(ctx) }()
	}
	time.Sleep(100 * time.Millisecond)
	cancelled := 0
	begin := time.Now()
	for _, cancel := range cancels {
		cancel()
	}
	for range cancels {
		if errors.Is(<-ended, context.Canceled) {
			cancelled++
		}
	}
	seconds := NsEach(begin, 1) * 1e-9
	Prove(cancelled == n, "every task ended cancelled")
	Print("cancel_collect", seconds, "s")
}

// What golang.org/x/sync/errgroup does, which is not in the standard library.
func measureTaskGroup(n int) {
	var all sync.WaitGroup
	var once sync.Once
	var cancelled atomic.Int64
	var failure error
	begin := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	run := func(f func() error) {
		all.Add(1)
		go func() {
			defer all.Done()
			if err := f(); err != nil {
				once.Do(func() { failure = err; cancel() })
			}
		}()
	}
	for i := 1; i < n; i++ {
		run(func() error {
			err := sleepUntilCancelled(ctx)
			if err != nil {
				cancelled.Add(1)
			}
			return err
		})
	}
	run(func() error { runtime.Gosched(); return errors.New("failed") })
	all.Wait()
	ns := NsEach(begin, n)
	Prove(int(cancelled.Load()) == n-1 && failure.Error() == "failed", "one failed, all others were cancelled")
	Print("task_group", ns, "ns")
}

func measureSleepers(n int, seconds float64) {
	memory, cpu := Resident(), CPU()
	var all sync.WaitGroup
	all.Add(n)
	begin := time.Now()
	for i := 0; i < n; i++ {
		go func() { time.Sleep(time.Duration(seconds * 1e9)); all.Done() }()
	}
	all.Wait()
	late := NsEach(begin, 1)*1e-6 - seconds*1e3
	Print("sleepers", (Peak()-memory)/float64(n), "B", "cpu_s", CPU()-cpu, "late_ms", late)
}
func measureTimers(n int, rangeS float64) {
	memory, cpu := Resident(), CPU()
	var all sync.WaitGroup
	all.Add(n)
	for i := 0; i < n; i++ {
		nap := time.Duration(rand.Int63n(int64(rangeS * 1e9)))
		go func() { time.Sleep(nap); all.Done() }()
	}
	all.Wait()
	Print("timers", (CPU()-cpu)*1e9/float64(n), "ns", "bytes", (Peak()-memory)/float64(n))
}
func measureTimerCancel(n int) {
	stopped := 0
	for i := 0; i < 1000; i++ {
		time.AfterFunc(time.Hour+time.Duration(rand.Int63n(1e9)), func() {})
	}
	begin := time.Now()
	for i := 0; i < n; i++ {
		if time.AfterFunc(2*time.Hour, func() {}).Stop() {
			stopped++
		}
	}
	ns := NsEach(begin, n)
	Prove(stopped == n, "every timer was cancelled")
	Print("timer_cancel", ns, "ns")
}

// Go's idiom: a context with a deadline around the operation, which yields once.
func measureTimeout(n int) {
	inTime := 0
	begin := time.Now()
	for i := 0; i < n; i++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		runtime.Gosched()
		if ctx.Err() == nil {
			inTime++
		}
		cancel()
	}
	ns := NsEach(begin, n)
	Prove(inTime == n, "every operation ended in time")
	Print("timeout", ns, "ns")
}

// The nearest to posting to a loop: a channel of functions that one goroutine calls; producers on threads of their own.
func measurePost(n, producers int) {
	each := n / producers
	calls := make(chan func(), 1024)
	ran := 0
	count := func() { ran++ }
	var line sync.WaitGroup
	line.Add(producers)
	start := make(chan struct{})
	for i := 0; i < producers; i++ {
		go func() {
			runtime.LockOSThread()
			line.Done()
			<-start
			for k := 0; k < each; k++ {
				calls <- count
			}
		}()
	}
	line.Wait()
	begin := time.Now()
	close(start)
	for i := 0; i < each*producers; i++ {
		(<-calls)()
	}
	ns := NsEach(begin, each*producers)
	Prove(ran == each*producers, "every post ran")
	Print("post", ns, "ns")
}

func measureBurst(n int) {
	before := Resident()
	var all sync.WaitGroup
	all.Add(n)
	for i := 0; i < n; i++ {
		go func() { time.Sleep(200 * time.Millisecond); all.Done() }()
	}
	all.Wait()
	for i := 0; i < 50; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	Print("burst_memory", (Resident()-before)/float64(n), "B", "peak_bytes", (Peak()-before)/float64(n))
}

func measureQueue(n, size int, pingpong bool) {
	first := make(chan int, size)
	second := make(chan int, size)
	sum := 0
	begin := time.Now()
	if pingpong {
		go func() {
			for i := 0; i < n; i++ {
				second <- <-first
			}
		}()
		for i := 0; i < n; i++ {
			first <- i
			sum += <-second
		}
	} else {
		go func() {
			for i := 0; i < n; i++ {
				first <- i
			}
		}()
		for i := 0; i < n; i++ {
			sum += <-first
		}
	}
	ns := NsEach(begin, n)
	Prove(sum == n*(n-1)/2, "every item came through")
	Print("queue", ns, "ns")
}

func measureLock(n, tasks int) {
	var lock sync.Mutex
	var all sync.WaitGroup
	held, inside := 0, 0
	each := n / tasks
	all.Add(tasks)
	begin := time.Now()
	for k := 0; k < tasks; k++ {
		go func() {
			for i := 0; i < each; i++ {
				lock.Lock()
				inside++
				Prove(inside == 1, "one at a time")
				if tasks != 1 {
					runtime.Gosched()
				}
				inside--
				held++
				lock.Unlock()
			}
			all.Done()
		}()
	}
	all.Wait()
	ns := NsEach(begin, each*tasks)
	Prove(held == each*tasks, "it was held each time")
	Print("lock", ns, "ns")
}

func main() {
	n := Count("n", 1000000)
	switch Text("job", "switch") {
	case "switch":
		measureSwitch(n)
	case "spawn":
		measureSpawn(n)
	case "gather":
		measureGather(n, Count("repeats", 10))
	case "await_depth":
		measureDepth(n, Count("depth", 100))
	case "cancel_collect":
		if Text("case", "one") == "one" {
			measureCancelOne(n)
		} else {
			measureCancelMany(n)
		}
	case "task_group":
		measureTaskGroup(n)
	case "sleepers":
		measureSleepers(n, Real("seconds", 3))
	case "timers":
		measureTimers(n, Real("range_s", 1))
	case "timer_cancel":
		measureTimerCancel(n)
	case "timeout":
		measureTimeout(n)
	case "post":
		measurePost(n, Count("producers", 1))
	case "burst_memory":
		measureBurst(n)
	case "queue":
		measureQueue(n, Count("size", 1), Text("shape", "one") == "pingpong")
	case "lock":
		measureLock(n, Count("tasks", 1))
	}
}
