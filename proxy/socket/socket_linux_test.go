package socket

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair returns the two ends of a TCP connection.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// readMore waits until something has come and calls ReadMore.
func readMore(t *testing.T, c *net.TCPConn, size int) (text string, more int) {
	t.Helper()
	buf := make([]byte, size)
	var n int
	var err error
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	waited := Raw(c).Read(func(fd uintptr) bool {
		n, more, err = ReadMore(fd, buf)
		return err != syscall.EAGAIN
	})
	if waited != nil || err != nil {
		t.Fatal(waited, err)
	}
	return string(buf[:n]), more
}

// awaitEnd waits until the other side's end has come.
func awaitEnd(t *testing.T, c *net.TCPConn) {
	t.Helper()
	_ = Raw(c).Control(func(fd uintptr) {
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}, 5000); n != 1 {
			t.Fatal("the end does not come: ", err)
		}
	})
}

func TestReadMoreTellsWhatIsLeft(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector it is never known what is left")
	}
	near, far := pair(t)
	if err := Raw(near).Control(func(fd uintptr) {
		if err := TellMore(fd); err != nil {
			t.Skip("the kernel does not tell: ", err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(far, "hello")
	if text, more := readMore(t, near, 3); text != "hel" || more != 2 {
		t.Errorf("%q and %d more, want \"hel\" and 2", text, more)
	}
	if text, more := readMore(t, near, 3); text != "lo" || more != 0 {
		t.Errorf("%q and %d more, want \"lo\" and 0", text, more)
	}
	_, _ = io.WriteString(far, "bye")
	_ = far.CloseWrite()
	awaitEnd(t, near)
	if text, more := readMore(t, near, 8); text != "bye" || more == 0 {
		t.Errorf("%q and %d more, want \"bye\" and an end to be read", text, more)
	}
	if text, _ := readMore(t, near, 8); text != "" {
		t.Errorf("%q behind the end", text)
	}
}

func TestReadMoreWithoutTellMoreDoesNotKnow(t *testing.T) {
	near, far := pair(t)
	_, _ = io.WriteString(far, "hello")
	if text, more := readMore(t, near, 8); text != "hello" || more != -1 {
		t.Errorf("%q and %d more, want \"hello\" and -1", text, more)
	}
}

func TestWritevWritesEitherPieceOrBoth(t *testing.T) {
	for _, pieces := range [][2]string{{"a", "b"}, {"ab", ""}, {"", "ab"}} {
		near, far := pair(t)
		p, q := []byte(pieces[0]), []byte(pieces[1])
		err := Raw(near).Write(func(fd uintptr) bool {
			for len(p)+len(q) > 0 {
				n, err := Writev(fd, p, q)
				if err != nil {
					t.Error(err)
					return true
				}
				m := min(n, len(p))
				p, q = p[m:], q[n-m:]
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		near.Close()
		if text, err := io.ReadAll(far); string(text) != "ab" || err != nil {
			t.Errorf("%q: %q, %v", pieces, text, err)
		}
	}
}

func TestAcceptedConnectionsInheritKeepAlive(t *testing.T) {
	lc := net.ListenConfig{}
	KeepAlive(&lc, net.KeepAliveConfig{Enable: true, Idle: 41 * time.Second, Interval: 7 * time.Second, Count: 3})
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = Raw(c.(*net.TCPConn)).Control(func(fd uintptr) {
		for _, o := range []struct {
			name                string
			level, option, want int
		}{
			{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 41},
			{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 7},
			{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
		} {
			if got, err := unix.GetsockoptInt(int(fd), o.level, o.option); err != nil || got != o.want {
				t.Errorf("%s is %d (%v), want %d", o.name, got, err, o.want)
			}
		}
	})
}
