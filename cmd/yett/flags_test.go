package main

import (
	"slices"
	"testing"

	"github.com/spf13/pflag"
)

// TestFlagsWithoutMeaningAreTakenInBothSpellings parses what a Deployment for ingress-nginx may have in its args.
func TestFlagsWithoutMeaningAreTakenInBothSpellings(t *testing.T) {
	for _, a := range accepted {
		spellings := [][]string{{"--" + a.name + "=1"}, {"--" + a.name, "1"}}
		if slices.Contains(acceptedBools, a.name) {
			spellings[1] = []string{"--" + a.name}
		}
		for _, args := range spellings {
			f := pflag.NewFlagSet("controller", pflag.ContinueOnError)
			addAccepted(f)
			if err := f.Parse(args); err != nil || f.NArg() != 0 || !f.Changed(a.name) {
				t.Errorf("%q: %v, %d arguments left over", args, err, f.NArg())
			}
		}
	}
	for _, name := range acceptedBools {
		if !slices.ContainsFunc(accepted, func(a struct{ name, why string }) bool { return a.name == name }) {
			t.Errorf("--%s is a switch but not accepted", name)
		}
	}
}

// TestTheFlagsOfTheLoggerAreTaken: ingress-nginx takes all flags of klog, and there are manifests with any of them.
func TestTheFlagsOfTheLoggerAreTaken(t *testing.T) {
	f := pflag.NewFlagSet("controller", pflag.ContinueOnError)
	addAccepted(f)
	if err := f.Parse([]string{
		"--add_dir_header", "--alsologtostderr", "--log_backtrace_at=:0", "--log_dir=/tmp", "--log_file=", "--log_file_max_size=1800",
		"--logtostderr", "--one_output", "--skip_headers", "--skip_log_headers", "--stderrthreshold=2", "--vmodule=x=1",
	}); err != nil {
		t.Error(err)
	}
}
