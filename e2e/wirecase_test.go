package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/wiretest"
)

// wireCase is something that a client sends, and what has to come of it. send, answer and want are in the
// notation of bytesOf.
type wireCase struct {
	// id is that of docs/wire.md, what tells the cases of one id apart.
	id, what string
	send     string
	// want are the outcomes that are right, separated by " or ". An outcome is the status codes of all
	// answers, how the connection is afterwards, and every request that upstreams saw as a whole, in order:
	// "200 404 open; a POST /p body". "broken" stands for an answer that is visibly incomplete.
	want string
	// head is what the first request that an upstream saw must have: "Name: value" exactly once, "-Name" not at
	// all, "?Name: value" as you like. reply is the same for the last answer.
	head, reply []string
	// body, if set, is the body of the last answer. never is a text that must not be in any of them.
	body, never string

	// answer is what the upstream answers to /r; closes ends the connection behind it. drops says that the proxy
	// must close the connection to the upstream.
	answer        string
	closes, drops bool

	check func(*testing.T, *result)
}

// Outcomes that many cases have.
const (
	r400    = "400 closed"
	refused = "400 closed or 501 closed"
)

// outcome is one outcome of wireCase.want.
type outcome struct {
	statuses []string
	end      string
	seen     []string
}

// outcomes parses wireCase.want.
func outcomes(want, scheme string) (all []outcome) {
	for _, text := range strings.Split(bytesOf(want, scheme), " or ") {
		parts := strings.Split(text, "; ")
		words := strings.Fields(parts[0])
		all = append(all, outcome{words[:len(words)-1], words[len(words)-1], parts[1:]})
	}
	return all
}

func (o outcome) String() string {
	return strings.Join(append([]string{strings.Join(append(slices.Clone(o.statuses), o.end), " ")}, o.seen...), "; ")
}

// result is what came of a case.
type result struct {
	outcome
	answers []*wiretest.Message
	// upstream are the requests that upstreams saw as a whole, broken the others.
	upstream, broken []*arrival
}

// last returns the last answer.
func (r *result) last() *wiretest.Message {
	if len(r.answers) == 0 {
		return &wiretest.Message{}
	}
	return r.answers[len(r.answers)-1]
}

// tables are all cases that fit into a line.
var tables = [][]wireCase{targetCases, hostCases, fieldCases, framingCases, connectionCases, answerCases}

// TestWire sends what well-behaved clients and servers would not, and what they would, through the whole
// product.
func TestWire(t *testing.T) {
	s := newSuite(t)
	for _, v := range s.vias {
		t.Run(v.scheme, func(t *testing.T) {
			for _, list := range tables {
				for i := range list {
					c := &list[i]
					t.Run(c.id+" "+c.what, func(t *testing.T) { c.run(t, s, v) })
				}
			}
			for i := range chunkCases {
				c := &chunkCases[i]
				t.Run(c.id+" "+c.what, func(t *testing.T) { c.run(t, s, v) })
			}
			for _, c := range specialCases {
				if c.own {
					continue
				}
				t.Run(c.id+" "+c.what, func(t *testing.T) {
					s.begin()
					c.run(t, s, v, nil)
					s.afterwards(t, v)
				})
			}
		})
	}
	t.Run("at the same time", func(t *testing.T) {
		for _, v := range s.vias {
			for _, c := range specialCases {
				if c.own {
					t.Run(v.scheme+" "+c.id+" "+c.what, func(t *testing.T) {
						t.Parallel()
						c.run(t, s, v, s.lane(c, v))
					})
				}
			}
		}
	})
	s.finish(t)
}

// run runs a case over one kind of connection.
func (c *wireCase) run(t *testing.T, s *suite, v via) {
	wanted := outcomes(c.want, v.scheme)
	s.begin()
	dropped := s.script(c)
	client := s.dial(t, v)
	client.Send(bytesOf(c.send, v.scheme))
	r := s.collect(t, v, client, c.send, wanted)
	match := slices.IndexFunc(wanted, func(o outcome) bool { return o.String() == r.outcome.String() })
	if match < 0 {
		t.Errorf("sent %s\ngot  %s\nwant %s", brief(bytesOf(c.send, v.scheme)), brief(r.outcome.String()), brief(bytesOf(c.want, v.scheme)))
	}
	if len(r.broken) > 0 {
		t.Errorf("an upstream saw %q and no more of it: %v", r.broken[0], r.broken[0].Err)
	}
	if len(r.upstream) > 0 {
		checkFields(t, "upstream", &r.upstream[0].Message, c.head, s.expand(v))
	}
	if c.reply != nil && r.statuses != nil && r.statuses[len(r.statuses)-1] != "502" {
		checkFields(t, "answer", r.last(), c.reply, s.expand(v))
	}
	if c.body != "" && r.last().Body != c.body {
		t.Errorf("the body is %q, want %q", r.last().Body, c.body)
	}
	for _, m := range r.answers {
		if c.never != "" && strings.Contains(m.Body, c.never) {
			t.Errorf("an answer has %q in it: %q", c.never, m.Body)
		}
	}
	if c.check != nil && match >= 0 && wanted[match].statuses[0] < "300" {
		c.check(t, r)
	}
	if dropped != nil {
		dropped(t)
	}
	_ = client.Conn().Close()
	s.afterwards(t, v)
}

// checkFields checks fields as wireCase.head describes them.
func checkFields(t *testing.T, where string, m *wiretest.Message, rules []string, expand *strings.Replacer) {
	t.Helper()
	for _, rule := range rules {
		name, value, _ := strings.Cut(expand.Replace(rule), ": ")
		got := m.Values(strings.TrimLeft(name, "-?"))
		switch rule[0] {
		case '-':
			if len(got) > 0 {
				t.Errorf("%s: %s is %q, want none", where, name[1:], got)
			}
		case '?':
			if len(got) > 0 && !slices.Equal(got, []string{value}) {
				t.Errorf("%s: %s is %q, want none or %q", where, name[1:], got, value)
			}
		default:
			if !slices.Equal(got, []string{value}) {
				t.Errorf("%s: %s is %q, want %q once", where, name, got, value)
			}
		}
	}
}

// run sends the malformed body at once, and then behind a chunk that is under way.
func (c *chunkCase) run(t *testing.T, s *suite, v via) {
	status := c.status
	if status == "" {
		status = "400"
	}
	want := status + " closed"
	if c.or != "" {
		want += " or " + c.or
	}
	t.Run("at once", func(t *testing.T) {
		s.begin()
		client := s.dial(t, v)
		send := post(chunked, c.body+smug)
		if c.or != "" {
			send = post(chunked, c.body)
		}
		client.Send(bytesOf(send, v.scheme))
		c.judge(t, s, v, client, outcomes(want, v.scheme), false)
	})
	t.Run("under way", func(t *testing.T) {
		s.begin()
		client := s.dial(t, v)
		client.Send(bytesOf(post(chunked, "8000⏎«x×32768»⏎"), v.scheme))
		if !s.waitForHead("a") {
			t.Fatal("the upstream does not see the request")
		}
		client.Send(bytesOf(c.body+smug, v.scheme))
		c.judge(t, s, v, client, outcomes(status+" closed", v.scheme), true)
	})
}

// judge checks what came of a malformed body.
func (c *chunkCase) judge(t *testing.T, s *suite, v via, client *wiretest.Client, wanted []outcome, began bool) {
	t.Helper()
	r := s.collect(t, v, client, "POST", wanted)
	if !slices.ContainsFunc(wanted, func(o outcome) bool { return o.String() == r.outcome.String() }) {
		t.Errorf("got %s, want %v", r.outcome, wanted)
	}
	if began && len(r.broken) != 1 {
		t.Errorf("the upstream saw %d incomplete requests, want 1", len(r.broken))
	}
	_ = client.Conn().Close()
	s.afterwards(t, v)
}

// collect reads the answers on a connection until there are as many as expected, finds out how the
// connection is then, and waits for the upstreams.
func (s *suite) collect(t *testing.T, v via, client *wiretest.Client, sent string, wanted []outcome) *result {
	t.Helper()
	r := &result{}
	most, open := 0, false
	for _, o := range wanted {
		most = max(most, len(o.statuses))
		open = open || o.end == "open"
	}
	method, _, _ := strings.Cut(sent, " ")
	for len(r.statuses) < most && r.end == "" {
		m, err := client.Response(method)
		if m != nil {
			r.answers = append(r.answers, m)
		}
		switch {
		case err == nil:
			r.statuses = append(r.statuses, fmt.Sprint(m.Status()))
		case m == nil && isEnd(err):
			r.end = "closed"
		case isTimeout(err):
			r.end = "stuck"
		default:
			r.statuses, r.end = append(r.statuses, "broken"), "closed"
		}
		if slices.ContainsFunc(wanted, func(o outcome) bool { return slices.Equal(o.statuses, r.statuses) }) && len(wanted) > 1 && err == nil {
			most = len(r.statuses)
		}
	}
	if r.end == "" {
		r.end = s.ending(client, open)
	}
	r.upstream, r.broken = s.arrived(t)
	for _, a := range r.upstream {
		r.seen = append(r.seen, a.String())
	}
	return r
}
