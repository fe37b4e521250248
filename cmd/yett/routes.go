package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/yettproxy/yett/proxy/route"
	"github.com/yettproxy/yett/proxy/wire"
)

// listed is one line of `yett routes`.
type listed struct {
	Host string `json:"host"`
	// Type is Prefix, Exact or Regex.
	Type    string `json:"type"`
	Path    string `json:"path"`
	Ingress string `json:"ingress,omitempty"`
	// Service is where it leads, "namespace/name:port"; "" for nowhere.
	Service   string `json:"service,omitempty"`
	Endpoints int    `json:"endpoints"`
	// Canary is the other Service, CanaryRules when it is taken.
	Canary      string `json:"canary,omitempty"`
	CanaryRules string `json:"canaryRules,omitempty"`
	// Filters are in the order in which they act, each with its phase.
	Filters []string `json:"filters,omitempty"`
	// Answers is what the gate answers by itself instead of serving, and why.
	Answers string `json:"answers,omitempty"`
}

// newRoutes returns `yett routes`.
func newRoutes() *cobra.Command {
	o := &options{}
	var paths []string
	var host, gate string
	var out output
	cmd := &cobra.Command{
		Use:   "routes PATH... | --url ADDRESS",
		Short: "List what manifests serve, in the order in which it is tried",
		Long: "Reads manifests as `yett serve` does and lists every route: host, path and its type, the Ingress that it came from,\n" +
			"the Service that it leads to with its endpoints, the canary, the filters in the order in which they act, and what the\n" +
			"gate answers where it does not serve. With --host only the hosts that such a request could meet, the first in order\n" +
			"being the one that serves it.",
		Example: "  yett routes deploy/\n  yett routes --host shop.example -o json deploy/",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := routes(cmd.Context(), o, append(paths, args...), gate, host)
			if err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), list, func(w io.Writer) { printRoutes(w, list) })
		},
	}
	o.addMeaning(cmd.Flags())
	addManifests(cmd.Flags(), o, &paths)
	cmd.Flags().StringVar(&host, "host", "", "only what may serve requests for this host")
	addGate(cmd.Flags(), &gate)
	out.add(cmd.Flags())
	return cmd
}

// routes lists the routes of manifests, or those of a gate that runs.
func routes(ctx context.Context, o *options, paths []string, gate, host string) (list []listed, err error) {
	if gate != "" {
		if len(paths) > 0 {
			return nil, errBoth
		}
		return list, askGate(ctx, gate, "/debug/routes?host="+url.QueryEscape(host), &list)
	}
	r, err := rehearse(ctx, o, paths, 200)
	if err != nil {
		return nil, err
	}
	list, err = listRoutes(r, host)
	return list, errors.Join(err, r.Close())
}

// errBoth says that there are two gates to ask.
var errBoth = errors.New("--url and manifests exclude each other: give one of them")

// addGate adds the flag that names a gate that runs.
func addGate(f *pflag.FlagSet, gate *string) {
	f.StringVar(gate, "url", "", "ask a gate that runs instead, at its profiler's port, such as http://127.0.0.1:10245")
}

// listRoutes lists the routes of a rehearsal; of a host only, unless that is "".
func listRoutes(r *rehearsal, host string) ([]listed, error) {
	table := r.Table()
	hosts := table.Hosts
	if host != "" {
		var arena wire.Arena
		name, ok := wire.ParseHost(host, &arena)
		if !ok {
			return nil, fmt.Errorf("the host is %q: write a host name", host)
		}
		hosts = nil
		for _, b := range table.Bearers(name) {
			hosts = append(hosts, b.Host)
		}
	}
	list := []listed{}
	for _, h := range hosts {
		list = append(list, listHost(h)...)
	}
	return list, nil
}

// listHost lists the routes of a host, and what the host answers by itself.
func listHost(h *route.VirtualHost) (list []listed) {
	name := h.Name
	if name == "" {
		name = "*"
	}
	switch {
	case h.Deny != 0:
		list = append(list, listed{Host: name, Type: "all", Path: "/", Answers: fmt.Sprintf("%d: the host cannot be guarded as asked", h.Deny)})
	case h.RedirectHost != "":
		list = append(list, listed{Host: name, Type: "all", Path: "/", Answers: fmt.Sprintf("%d to %s", h.RedirectCode, h.RedirectHost)})
	case h.AppRoot != "":
		list = append(list, listed{Host: name, Type: "Exact", Path: "/", Answers: "302 to " + h.AppRoot})
	}
	for _, r := range h.Routes() {
		l := listRoute(r)
		l.Host = name
		if h.Regex {
			l.Type = "Regex"
		}
		if h.Guard != nil {
			l.Filters = append([]string{"host: certificate of the client"}, l.Filters...)
		}
		list = append(list, l)
	}
	return list
}

// listRoute lists one route.
func listRoute(r *route.Route) listed {
	l := listed{Type: r.Type.String(), Path: r.Path}
	if r.Origin.Ingress != "" {
		l.Ingress = r.Origin.Namespace + "/" + r.Origin.Ingress
	}
	for _, s := range r.Specs {
		l.Filters = append(l.Filters, s.Phase().String()+": "+s.String())
	}
	u := r.Split.Primary()
	if u != nil {
		key := u.Key()
		l.Service, l.Endpoints = key.Namespace+"/"+key.Service+":"+key.Port, u.Set().Len()
	}
	if c := r.Split.Canary(); c != nil {
		key := c.Key()
		l.Canary, l.CanaryRules = key.Namespace+"/"+key.Service+":"+key.Port, r.Split.Rules()
	}
	switch {
	case r.Deny != 0:
		l.Answers = fmt.Sprintf("%d: %s", r.Deny, r.DenyReason)
	case u == nil:
		l.Answers = fmt.Sprintf("%d: it leads to no Service", r.Missing)
	case l.Endpoints == 0 && r.Default != nil:
		l.Answers = r.Default.Key().String() + " answers, since there is no endpoint"
	case l.Endpoints == 0:
		l.Answers = "503: no endpoint"
	}
	return l
}

// printRoutes writes a table, and below each route what else there is to say about it.
func printRoutes(w io.Writer, list []listed) {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tTYPE\tPATH\tINGRESS\tSERVICE\tENDPOINTS")
	for _, l := range list {
		endpoints := strconv.Itoa(l.Endpoints)
		if l.Service == "" {
			endpoints = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Host, l.Type, l.Path, dash(l.Ingress), dash(l.Service), endpoints)
	}
	_ = table.Flush() // what cannot be written to is not there to be told either
	for _, l := range list {
		var more []string
		if l.Answers != "" {
			more = append(more, "answers "+l.Answers)
		}
		if l.Canary != "" {
			more = append(more, "canary "+l.Canary+": "+l.CanaryRules)
		}
		for i, f := range l.Filters {
			more = append(more, fmt.Sprintf("%d. %s", i+1, f))
		}
		if len(more) > 0 {
			fmt.Fprintf(w, "\n%s %s %s\n  %s\n", l.Host, l.Type, l.Path, strings.Join(more, "\n  "))
		}
	}
}

// dash stands for nothing in tables.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
