package e2e

import (
	"net"
	"testing"
	"time"
)

// specialCase is a case that needs more than a line: a script for both sides, or time.
type specialCase struct {
	// id is that of docs/wire.md, "" for what is not on that list.
	id, what string
	// own says that the case has a host and an upstream of its own, with these annotations, and runs beside
	// others of its kind.
	own         bool
	annotations []string
	run         func(t *testing.T, s *suite, v via, l *lane)
}

const (
	unlimited = `proxy-body-size: "0"`
	// readOneSecond and sendOneSecond are the shortest timeouts that annotations can have.
	readOneSecond = `proxy-read-timeout: "1"`
	sendOneSecond = `proxy-send-timeout: "1"`
	// noRetries leaves only the one for an idle connection that turns out to be closed.
	noRetries = `proxy-next-upstream: "off"`
)

var specialCases = []*specialCase{
	{id: "C-33", what: "reset within a body with a length", own: true, run: func(t *testing.T, s *suite, v via, l *lane) {
		abortUpload(t, s, v, l, length(200000)+"⏎«x×60000»", true)
	}},
	{id: "C-33", what: "reset within a chunked body", own: true, run: func(t *testing.T, s *suite, v via, l *lane) {
		abortUpload(t, s, v, l, chunked+"⏎30d40⏎«x×60000»", true)
	}},
	{id: "C-33", what: "end within a body with a length", own: true, run: func(t *testing.T, s *suite, v via, l *lane) {
		abortUpload(t, s, v, l, length(200000)+"⏎«x×60000»", false)
	}},
	{id: "C-34", what: "413 while 100 MiB are sent", own: true, annotations: []string{unlimited}, run: refuseUpload},
	{id: "K-04", what: "100 for a slow upstream", run: continueEarly},
	{id: "K-14", what: "bytes that come behind the last request while it is answered", run: bytesBehindTheLast},
	{id: "K-09", what: "bytes behind a handshake that succeeds late", run: bytesBehindUpgrade},
	{id: "K-09", what: "bytes behind a handshake that fails late", run: requestBehindRefusal},
	{id: "R-14", what: "an answer while nobody asks", run: answerWhileIdle},
	{id: "R-18", what: "GET on connections that are being closed", own: true, annotations: []string{noRetries}, run: getOnClosing},
	{id: "R-18", what: "POST on connections that are being closed", own: true, run: postOnClosing},
	{id: "R-19", what: "no answer", own: true, annotations: []string{readOneSecond}, run: neverAnswers},
	{id: "R-19", what: "nothing is read", own: true, annotations: []string{unlimited, sendOneSecond}, run: func(t *testing.T, s *suite, v via, l *lane) {
		readsSlowly(t, s, v, l, 0)
	}},
	{id: "R-19", what: "a byte a second is read", own: true, annotations: []string{unlimited, sendOneSecond}, run: func(t *testing.T, s *suite, v via, l *lane) {
		readsSlowly(t, s, v, l, 1)
	}},
	{what: "a hundred requests at once", run: hundredAtOnce},
	{what: "requests in pieces", run: piecewise},
	{what: "answers in pieces", run: piecewiseAnswers},
	{what: "the client goes while the upstream thinks", own: true, run: goneWhileWaiting},
	{what: "the client goes within the answer", own: true, run: goneWithinAnswer},
	{what: "websocket", own: true, run: echoThroughTunnel},
	{what: "20 MB both ways", own: true, annotations: []string{unlimited}, run: largeBodies},
	{what: "trailers", own: true, run: trailersOfAnswers},
	{what: "events as they come", own: true, run: eventsAsTheyCome},
	{what: "both directions at the same time", own: true, run: bothDirections},
	{what: "a client that ends its side", run: halfClosed},
	{what: "a slow reader of a long answer", own: true, run: slowReader},
	{what: "everything at once", own: true, run: everythingAtOnce},
	{what: "a slow upload that waits for 100", own: true, run: slowUpload},
}

// accept waits for a connection to a lane, or returns nil if none comes within d.
func (l *lane) accept(d time.Duration) net.Conn {
	_ = l.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(d))
	conn, err := l.Accept()
	if err != nil {
		return nil
	}
	return conn
}
