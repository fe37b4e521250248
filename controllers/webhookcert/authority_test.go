package webhookcert

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

var testNames = []string{"hook.edge.svc", "hook.edge", "hook"}

// start is when the tests play.
var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// convinces reports whether an API server that trusts the bundle of one state accepts what another shows.
func convinces(shown, trusted *state, now time.Time) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted.bundle())
	_, err := shown.leaf.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "hook.edge.svc", CurrentTime: now})
	return err
}

// reread returns a state as another replica reads it.
func reread(t *testing.T, s *state) *state {
	t.Helper()
	data, err := s.data()
	if err != nil {
		t.Fatal(err)
	}
	if s = parse(data); s == nil {
		t.Fatal("what was written cannot be read")
	}
	return s
}

// TestNoHandshakeFailsInNineYears lets time pass. Whoever is one state behind or ahead must get on with the others.
func TestNoHandshakeFailsInNineYears(t *testing.T) {
	now := start
	s, err := advance(nil, now, testNames)
	if err != nil {
		t.Fatal(err)
	}
	s = reread(t, s)
	leaves, authorities, changedAt := 1, 1, now
	for now.Before(start.AddDate(9, 0, 0)) {
		if now.Sub(changedAt) > 4*overlap {
			now = now.Add(23 * time.Hour)
		} else {
			now = now.Add(time.Minute)
		}
		next, err := advance(s, now, testNames)
		if err != nil {
			t.Fatal(err)
		}
		if next == s {
			continue
		}
		next = reread(t, next)
		for _, pair := range [][2]*state{{s, next}, {next, s}, {next, next}} {
			if err := convinces(pair[0], pair[1], now); err != nil {
				t.Fatalf("at %s: %v", now, err)
			}
		}
		if now.Sub(changedAt) < overlap {
			t.Fatalf("at %s: changed again after %s", now, now.Sub(changedAt))
		}
		if !next.leaf.Leaf.Equal(s.leaf.Leaf) {
			leaves++
		}
		if !next.authorities[0].Equal(s.authorities[0]) {
			authorities++
		}
		if len(next.authorities) > 2 {
			t.Fatalf("at %s: %d authorities", now, len(next.authorities))
		}
		s, changedAt = next, now
	}
	t.Logf("%d leaves and %d authorities in nine years", leaves, authorities)
	if leaves < 50 || authorities < 5 || len(s.authorities) != 1 {
		t.Errorf("%d leaves, %d authorities, %d of them left", leaves, authorities, len(s.authorities))
	}
}

func TestWhatIsDue(t *testing.T) {
	first, err := advance(nil, start, testNames)
	if err != nil {
		t.Fatal(err)
	}
	succeeded, err := first.succeed(start)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		state                *state
		after                time.Duration
		names                []string
		sameLeaf, sameIssuer bool
		authorities          int
	}{
		"nothing at first":                         {first, time.Hour, testNames, true, true, 1},
		"nothing while a clock is behind":          {first, -48 * time.Hour, testNames, true, true, 1},
		"a leaf after two months":                  {first, 61 * 24 * time.Hour, testNames, false, true, 1},
		"a leaf for another name":                  {first, time.Hour, []string{"other"}, false, true, 1},
		"an authority after two years":             {&state{first.authorities, first.key, late(t, first)}, 2*365*24*time.Hour + time.Hour, testNames, true, false, 2},
		"everything after ten years off":           {first, 10 * 365 * 24 * time.Hour, testNames, false, false, 1},
		"nothing while an authority is made known": {succeeded, overlap - time.Second, testNames, true, true, 2},
		"a leaf once it is known":                  {succeeded, overlap, testNames, false, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := advance(tt.state, start.Add(tt.after), tt.names)
			if err != nil {
				t.Fatal(err)
			}
			if same := got.leaf.Leaf.Equal(tt.state.leaf.Leaf); same != tt.sameLeaf {
				t.Errorf("same leaf: %v", same)
			}
			if same := got.authorities[0].Equal(tt.state.authorities[0]); same != tt.sameIssuer {
				t.Errorf("same authority: %v", same)
			}
			if len(got.authorities) != tt.authorities {
				t.Errorf("%d authorities, want %d", len(got.authorities), tt.authorities)
			}
		})
	}
}

// late returns a leaf that is made when the authority has had two years.
func late(t *testing.T, s *state) *tls.Certificate {
	t.Helper()
	issued, err := s.issue(start.Add(2*365*24*time.Hour), testNames)
	if err != nil {
		t.Fatal(err)
	}
	return issued.leaf
}

func TestWhatIsNoStateIsNotRead(t *testing.T) {
	s, err := advance(nil, start, testNames)
	if err != nil {
		t.Fatal(err)
	}
	other, err := advance(nil, start, testNames)
	if err != nil {
		t.Fatal(err)
	}
	strange, err := other.data()
	if err != nil {
		t.Fatal(err)
	}
	for key := range strange {
		for what, value := range map[string][]byte{"missing": nil, "no PEM": []byte("x"), "somebody else's": strange[key]} {
			data, err := s.data()
			if err != nil {
				t.Fatal(err)
			}
			data[key] = value
			if parse(data) != nil {
				t.Errorf("%s %s is read", key, what)
			}
		}
	}
	if parse(nil) != nil {
		t.Error("nothing is read")
	}
}

// FuzzParse reads any Secret.
func FuzzParse(f *testing.F) {
	s, err := advance(nil, start, testNames)
	if err != nil {
		f.Fatal(err)
	}
	data, err := s.data()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[authoritiesKey], data[authorityKeyKey], data[leafKey], data[leafKeyKey])
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), []byte(""), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, a, b, c, d []byte) {
		s := parse(map[string][]byte{authoritiesKey: a, authorityKeyKey: b, leafKey: c, leafKeyKey: d})
		if s == nil {
			return
		}
		if _, err := advance(s, start, testNames); err != nil {
			t.Fatal(err)
		}
	})
}
