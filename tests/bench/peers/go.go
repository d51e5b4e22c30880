// The rows on Go's sync.WaitGroup. Reads lines "kind threads work parked every
// rare n", prints the nanoseconds of elapsed and of processor time for one
// operation, then how many were timed one by one, and each of those times. A
// time below 0: it cannot do the row.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const ( // as in bench.hpp
	done = iota
	pair
	waitAtZero
	doneShared
	forkJoin
	wake
	uncontended
	addDone
	wait
	actuallyWait
	bytes
	neighbours
	inTurn
	stopped
)

//go:noinline
func work(loops int) int {
	x := 0
	for i := 0; i < loops; i++ {
		x ^= i
	}
	return x
}

func localWork(steps int) int {
	foo := 0
	for i := 0; i < steps; i++ {
		foo *= 2
		foo /= 2
	}
	return foo
}

func loopsPerMicrosecond() float64 {
	best := 0.0
	for i := 0; i < 50; i++ {
		start := time.Now()
		work(1000000)
		rate := 1e9 / float64(time.Since(start).Nanoseconds())
		if rate > best {
			best = rate
		}
	}
	return best
}

func processorTime() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano() + usage.Stime.Nano())
}

// In threads goroutines, each n operations by body; the cost of the whole.
func run(threads int, body func(i int)) (float64, float64) {
	var ready, finish sync.WaitGroup
	start := make(chan bool)
	for i := 0; i < threads; i++ {
		ready.Add(1)
		finish.Add(1)
		go func(i int) {
			ready.Done()
			<-start
			body(i)
			finish.Done()
		}(i)
	}
	ready.Wait()
	cpu, begin := processorTime(), time.Now()
	close(start)
	finish.Wait()
	return float64(time.Since(begin).Nanoseconds()), processorTime() - cpu
}

func runShared(threads, n int, body func(n int)) (float64, float64) {
	each := n/threads + 1
	ns, cpu := run(threads, func(int) { body(each) })
	total := float64(each * threads)
	return ns / total, cpu / total
}

type pairOf struct {
	wg    sync.WaitGroup
	_     [128]byte
	round int64
	start chan bool
}

// As the row's fields in bench.hpp.
type workload struct {
	loops, every, rareLoops int
	isTimed                 bool
}

// Times operations one by one, as in rows.hpp.
type stopwatch struct {
	times []float64
	last  time.Time
}

func newStopwatch(w workload, n int) *stopwatch {
	if !w.isTimed {
		n = 0
	}
	return &stopwatch{make([]float64, 0, n), time.Now()}
}

func (s *stopwatch) lap() {
	if cap(s.times) > 0 {
		now := time.Now()
		s.times = append(s.times, float64(now.Sub(s.last).Nanoseconds()))
		s.last = now
	}
}

func runForkJoin(threads int, w workload, parked bool, n int) (float64, float64, []float64) {
	pairs := make([]pairOf, threads)
	watches := make([]*stopwatch, threads)
	for i := range pairs {
		pairs[i].start = make(chan bool, 1)
	}
	ns, cpu := run(2*threads, func(i int) {
		p := &pairs[i/2]
		if i%2 == 0 {
			watch := newStopwatch(w, n)
			watches[i/2] = watch
			for round := int64(1); round <= int64(n); round++ {
				p.wg.Add(1)
				if parked {
					p.start <- true
				} else {
					atomic.StoreInt64(&p.round, round)
				}
				p.wg.Wait()
				watch.lap()
			}
			return
		}
		for round := int64(1); round <= int64(n); round++ {
			if parked {
				<-p.start
			}
			for look := 1; !parked && atomic.LoadInt64(&p.round) < round; look++ {
				if look%64 == 0 {
					runtime.Gosched()
				}
			}
			if w.every != 0 && round%int64(w.every) == 0 {
				work(w.rareLoops)
			} else {
				work(w.loops)
			}
			p.wg.Done()
		}
	})
	var times []float64
	for _, watch := range watches {
		times = append(times, watch.times...)
	}
	return ns / float64(n), cpu / float64(n*threads), times
}

func runInTurn(w workload, n int) (float64, float64, []float64) {
	own := make([]pairOf, 2)
	var watch *stopwatch
	own[0].wg.Add(1)
	own[1].wg.Add(1)
	handOver := func(p *pairOf) {
		work(w.loops)
		p.wg.Done()
	}
	takeOver := func(p *pairOf) {
		p.wg.Wait()
		p.wg.Add(1)
	}
	ns, cpu := run(2, func(i int) {
		if i == 0 {
			watch = newStopwatch(w, n)
		}
		for round := 0; round < n; round++ {
			if i == 0 {
				handOver(&own[1])
				takeOver(&own[0])
				watch.lap()
			} else {
				takeOver(&own[1])
				handOver(&own[0])
			}
		}
	})
	return ns / float64(n), cpu / float64(n), watch.times
}

func runWake(waiters, loops int, parked bool, n int) (float64, float64) {
	var wg sync.WaitGroup
	var entered, returned, last int64
	finished := make(chan bool, 1)
	gates := make([]chan bool, n)
	for i := range gates {
		gates[i] = make(chan bool)
	}
	epoch := time.Now()
	for i := 0; i < waiters; i++ {
		go func() {
			for round := 0; round < n; round++ {
				<-gates[round]
				atomic.AddInt64(&entered, 1)
				wg.Wait()
				if atomic.AddInt64(&returned, 1) == int64(waiters) {
					last = time.Since(epoch).Nanoseconds()
					finished <- true
				}
			}
		}()
	}
	ns, cpu := 0.0, 0.0
	for round := 0; round < n; round++ {
		wg.Add(1)
		atomic.StoreInt64(&entered, 0)
		atomic.StoreInt64(&returned, 0)
		startCpu, start := processorTime(), time.Since(epoch).Nanoseconds()
		close(gates[round])
		if parked {
			for atomic.LoadInt64(&entered) < int64(waiters) {
				runtime.Gosched()
			}
			time.Sleep(3 * time.Millisecond) // as in rows.hpp
			startCpu, start = processorTime(), time.Since(epoch).Nanoseconds()
		}
		work(loops)
		wg.Done()
		<-finished
		ns += float64(last - start)
		cpu += processorTime() - startCpu
	}
	return ns / float64(n), cpu / float64(n)
}

func main() {
	perMicrosecond := loopsPerMicrosecond()
	in := bufio.NewReader(os.Stdin)
	for {
		var kind, threads, steps, parked, every, rareSteps, n int
		_, err := fmt.Fscanln(in, &kind, &threads, &steps, &parked, &every,
			&rareSteps, &n)
		if err != nil {
			return
		}
		w := workload{int(float64(steps) * perMicrosecond), every,
			int(float64(rareSteps) * perMicrosecond), steps >= 2}
		var wg sync.WaitGroup
		var ns, cpu float64
		var times []float64
		switch kind {
		case done:
			wg.Add(n + 2)
			ns, cpu = runShared(1, n, func(n int) {
				for i := 0; i < n; i++ {
					wg.Done()
				}
			})
		case pair, addDone:
			ns, cpu = runShared(threads, n, func(n int) {
				for i := 0; i < n; i++ {
					wg.Add(1)
					localWork(steps)
					wg.Done()
				}
			})
		case waitAtZero, wait:
			ns, cpu = runShared(threads, n, func(n int) {
				for i := 0; i < n; i++ {
					wg.Wait()
					localWork(steps)
				}
			})
		case doneShared:
			each := n/threads + 1
			wg.Add(each*threads + 1)
			go wg.Wait()
			time.Sleep(time.Millisecond)
			ns, cpu = runShared(threads, n, func(n int) {
				for i := 0; i < n; i++ {
					wg.Done()
				}
			})
			wg.Done()
		case forkJoin:
			ns, cpu, times = runForkJoin(threads, w, parked != 0, n)
		case inTurn:
			ns, cpu, times = runInTurn(w, n)
		case stopped:
			ns = -1
		case wake:
			ns, cpu = runWake(threads, w.loops, parked != 0, n)
		case uncontended:
			ns, cpu = runShared(threads, n, func(n int) {
				var own struct {
					sync.WaitGroup
					_ [128]byte
				}
				for i := 0; i < n; i++ {
					own.Add(1)
					own.Done()
					own.Wait()
				}
			})
		case actuallyWait:
			ns, cpu = runShared(threads, n, func(n int) {
				for i := 0; i < n; i++ {
					var own sync.WaitGroup
					own.Add(1)
					go func() {
						own.Done()
					}()
					own.Wait()
				}
			})
		case neighbours:
			objects := make([]sync.WaitGroup, threads)
			var next int64 = -1
			ns, cpu = runShared(threads, n, func(n int) {
				own := &objects[atomic.AddInt64(&next, 1)]
				for i := 0; i < n; i++ {
					own.Add(1)
					own.Done()
					own.Wait()
				}
			})
		case bytes:
			ns = float64(unsafe.Sizeof(wg))
		}
		out := bufio.NewWriter(os.Stdout)
		fmt.Fprintln(out, ns, cpu, len(times))
		for _, t := range times {
			fmt.Fprintln(out, int(t))
		}
		out.Flush()
	}
}
