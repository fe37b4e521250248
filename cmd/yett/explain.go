package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yettproxy/yett/proxy"
)

// question is what `yett explain` is asked.
type question struct {
	method string
	fields []string
	from   string
	auth   int
	url    string
}

// newExplain returns `yett explain`.
func newExplain() *cobra.Command {
	o := &options{}
	var paths []string
	var gate string
	var q question
	var out output
	cmd := &cobra.Command{
		Use:   "explain {--manifests PATH... | --url ADDRESS} [-X METHOD] [-H 'Name: value']... [--from IP] URL",
		Short: "Say what would be done with a request, and why",
		Long: "Reads manifests as `yett serve` does and takes a request through the same code: how it is read, who the client is\n" +
			"taken for, which host and route match and which do not and why, what each filter says in its turn, whether the\n" +
			"canary is taken, and what head which Service would get.\n\n" +
			"Nothing is sent. Services that filters would ask (auth-url) are named and count as having answered --auth-status.\n" +
			"Counts, such as those of limit-rps, begin at nothing. The URL stands as a client would write it: https:// for a\n" +
			"request over TLS; the host is what is in the Host field unless -H says otherwise.",
		Example: "  yett explain --manifests deploy/ http://shop.example/cart\n" +
			"  yett explain --manifests deploy/ -H 'X-Canary: always' --from 192.0.2.7 https://shop.example/api/users?q=1",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.url = args[0]
			e, err := explain(cmd.Context(), o, paths, gate, &q)
			if err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), e, func(w io.Writer) { printExplanation(w, e) })
		},
	}
	o.addMeaning(cmd.Flags())
	addManifests(cmd.Flags(), o, &paths)
	f := cmd.Flags()
	f.StringVarP(&q.method, "request", "X", "GET", "method of the request")
	f.StringArrayVarP(&q.fields, "header", "H", nil, "field of the request, \"Name: value\"; may be given several times")
	f.StringVar(&q.from, "from", defaultFrom, "address that opens the connection")
	f.IntVar(&q.auth, "auth-status", 200, "what services that filters would ask count as having answered")
	addGate(f, &gate)
	out.add(f)
	return cmd
}

// defaultFrom is who asks if nobody says otherwise: an address of documentation.
const defaultFrom = "192.0.2.1"

// explain asks a rehearsal of manifests, or a gate that runs.
func explain(ctx context.Context, o *options, paths []string, gate string, q *question) (*proxy.Explanation, error) {
	call, err := q.call()
	if err != nil {
		return nil, err
	}
	if gate != "" {
		if len(paths) > 0 {
			return nil, errBoth
		}
		e := new(proxy.Explanation)
		return e, askGate(ctx, gate, "/debug/explain?"+q.query(), e)
	}
	r, err := rehearse(ctx, o, paths, q.auth)
	if err != nil {
		return nil, err
	}
	e, err := r.Explain(call)
	return e, errors.Join(err, r.Close())
}

// call puts the request together as a client would send it. What a client can get wrong is left wrong: that is to be explained,
// too.
func (q *question) call() (proxy.Call, error) {
	scheme, rest, ok := strings.Cut(q.url, "://")
	if !ok {
		scheme, rest = "http", q.url
	}
	if scheme != "http" && scheme != "https" {
		return proxy.Call{}, fmt.Errorf("the URL %q begins with %s: write http:// or https://", q.url, scheme)
	}
	from, err := netip.ParseAddr(q.from)
	if err != nil {
		return proxy.Call{}, fmt.Errorf("--from is %q: write an IP address", q.from)
	}
	if q.auth < 100 || q.auth > 599 {
		return proxy.Call{}, fmt.Errorf("--auth-status is %d: write a status such as 200, 401 or 403", q.auth)
	}
	rest, _, _ = strings.Cut(rest, "#") // clients keep that to themselves
	at := strings.IndexAny(rest, "/?")
	if at < 0 {
		at = len(rest)
	}
	authority, target := rest[:at], rest[at:]
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	call := proxy.Call{From: from, TLS: scheme == "https", Port: portOf(authority, scheme)}
	name := (&url.URL{Host: authority}).Hostname()
	if net.ParseIP(name) == nil {
		call.ServerName = name
	}
	var head strings.Builder
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\n", q.method, target)
	hosts := 0
	for _, field := range q.fields {
		name, value, ok := strings.Cut(field, ":")
		if !ok {
			return proxy.Call{}, fmt.Errorf("the field %q has no colon: write 'Name: value'", field)
		}
		if strings.ContainsAny(field, "\r\n") {
			return proxy.Call{}, fmt.Errorf("the field %q has a line break: give each field a -H of its own", field)
		}
		if strings.EqualFold(name, "Host") {
			hosts++
		}
		fmt.Fprintf(&head, "%s: %s\r\n", name, strings.TrimSpace(value))
	}
	if hosts == 0 {
		fmt.Fprintf(&head, "Host: %s\r\n", authority)
	}
	call.Head = []byte(head.String() + "\r\n")
	return call, nil
}

// portOf returns the port of an authority, or that of the scheme.
func portOf(authority, scheme string) uint16 {
	if port, err := strconv.ParseUint((&url.URL{Host: authority}).Port(), 10, 16); err == nil {
		return uint16(port)
	}
	if scheme == "https" {
		return 443
	}
	return 80
}

// printExplanation writes an explanation for people.
func printExplanation(w io.Writer, e *proxy.Explanation) {
	for _, s := range e.Steps {
		fmt.Fprintf(w, "%-9s %s\n", s.Topic, s.Text)
		for _, note := range s.Notes {
			fmt.Fprintf(w, "          - %s\n", note)
		}
	}
	if e.Status != 0 {
		fmt.Fprintf(w, "%-9s %d, by the gate itself\n", "answer", e.Status)
		printIndented(w, e.Fields)
		return
	}
	fmt.Fprintf(w, "%-9s that of the Service, which sees\n", "answer")
	printIndented(w, e.Head)
}

// printIndented writes lines below a topic.
func printIndented(w io.Writer, lines []string) {
	for _, line := range lines {
		fmt.Fprintf(w, "            %s\n", line)
	}
}
