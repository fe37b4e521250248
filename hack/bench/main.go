package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// roleEnv makes this program one of its helpers.
const roleEnv = "YETT_BENCH_ROLE"

func main() {
	var err error
	if os.Getenv(roleEnv) != "" {
		err = playRole(os.Args[1], os.Args[2:])
	} else {
		err = compare(os.Args[1:])
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// playRole runs one of the helpers.
func playRole(role string, args []string) error {
	switch role {
	case "pin":
		return pin(args)
	case "load":
		var l load
		if err := json.NewDecoder(os.Stdin).Decode(&l); err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(run(l))
	case "backend":
		l, err := net.Listen("tcp", args[0])
		if err != nil {
			return err
		}
		grpc, err := net.Listen("tcp", args[1])
		if err != nil {
			return err
		}
		go func() { _ = runGRPCBackend(grpc) }() // it fails when the process ends
		return runBackend(l)
	case "reverseproxy":
		plain, err := net.Listen("tcp", args[0])
		if err != nil {
			return err
		}
		secure, err := net.Listen("tcp", args[1])
		if err != nil {
			return err
		}
		return runReverseProxy(plain, secure, args[2], args[3], args[4], args[5])
	}
	return fmt.Errorf("unknown role %q", role)
}

// options are the flags.
type options struct {
	out, docs, yett, profiler, profile string
	rounds                             int
	warm, duration                     time.Duration
	cases, peers                       []string
}

// compare runs the comparison.
func compare(args []string) error {
	o := options{}
	var names, peerNames string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.out, "out", "bin/bench", "folder for the results")
	f.StringVar(&o.docs, "docs", "", "folder whose benchmarks.md gets the figures; none by default")
	f.StringVar(&o.yett, "yett", "bin/yett", "the binary of Yett; a comma and a second one compares the two")
	f.StringVar(&o.profiler, "profiler-port", "0", "port of Yett's profiler")
	f.StringVar(&o.profile, "profile", "", "file for a CPU profile of Yett, of all cases together; needs -profiler-port")
	f.IntVar(&o.rounds, "rounds", 3, "rounds of every case")
	f.DurationVar(&o.duration, "duration", time.Second, "how long a proxy is measured in a round")
	f.DurationVar(&o.warm, "warm", 300*time.Millisecond, "how long it runs before that")
	f.StringVar(&names, "cases", "", "cases to run, separated by commas; all by default")
	f.StringVar(&peerNames, "peers", "", "proxies to run, separated by commas; all by default")
	if err := f.Parse(args); err != nil {
		return err
	}
	o.cases, o.peers = list(names), list(peerNames)
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	r := report{Date: time.Now().UTC().Format(time.DateOnly), Cores: runtime.NumCPU(), Rounds: o.rounds, Seconds: o.duration.Seconds(), Load: []string{loadAverage()}}
	for _, p := range b.peers {
		r.Versions = append(r.Versions, version{p.name, p.version(), p.missing()})
	}
	profiles := profiles{url: "http://127.0.0.1:" + o.profiler + "/debug/pprof/profile", dir: b.dir}
	for _, c := range cases() {
		if len(o.cases) == 0 || slices.Contains(o.cases, c.Name) {
			var row row
			run := func() { row = b.run(c) }
			if o.profile == "" {
				run()
			} else if err := profiles.during(c.Name, o.duration, run); err != nil {
				return err
			}
			r.Rows = append(r.Rows, row)
			fmt.Fprintln(os.Stderr, row.summary())
			if err := r.write(o.out); err != nil { // each time: a run that is cut short leaves what it has
				return err
			}
		}
	}
	r.Load = append(r.Load, loadAverage())
	if err := r.write(o.out); err != nil {
		return err
	}
	if o.profile != "" {
		if err := profiles.merge(o.profile); err != nil {
			return err
		}
	}
	if o.docs != "" {
		if err := r.publish(o.docs); err != nil {
			return err
		}
	}
	fmt.Print(r.verdict(), "\n", r.table())
	return nil
}

// wants reports whether a peer is to be run.
func (o *options) wants(peer string) bool { return len(o.peers) == 0 || slices.Contains(o.peers, peer) }

// list splits a list, or returns none.
func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
