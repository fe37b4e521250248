package extauth

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/yettproxy/yett/annotations/feature"
)

// CacheTime is how long an answer with a status is remembered.
type CacheTime struct {
	Status int
	For    time.Duration
}

// parseTimes reads auth-cache-duration: groups of statuses with a time behind them, separated by commas. A time without
// statuses is for 200, 301 and 302, as in nginx. The first time of a status counts.
func parseTimes(text string) (times []CacheTime, ok bool) {
	for group := range strings.SplitSeq(text, ",") {
		parts := strings.Fields(group)
		if len(parts) == 0 {
			return nil, false
		}
		last := parts[len(parts)-1]
		d, err := feature.ParseTime(last)
		if err != nil || last[len(last)-1] <= '9' { // without a unit it would be a status
			return nil, false
		}
		statuses := parts[:len(parts)-1]
		if len(statuses) == 0 {
			statuses = []string{"200", "301", "302"}
		}
		for _, part := range statuses {
			status, err := strconv.Atoi(part)
			if err != nil || len(part) != 3 || status < 100 {
				return nil, false
			}
			if !slices.ContainsFunc(times, func(t CacheTime) bool { return t.Status == status }) {
				times = append(times, CacheTime{status, d})
			}
		}
	}
	return times, true
}

// lifetime returns how long an answer may be remembered, 0 for not at all. What the service says about it comes first, as
// in nginx: answers with cookies, private ones and those that vary are not for everybody who has the same key.
func lifetime(times []CacheTime, status int, h http.Header, now time.Time) time.Duration {
	i := slices.IndexFunc(times, func(t CacheTime) bool { return t.Status == status })
	if i < 0 || len(h["Set-Cookie"]) > 0 || varies(h["Vary"]) {
		return 0
	}
	if v := h.Get("X-Accel-Expires"); v != "" {
		if at, ok := strings.CutPrefix(v, "@"); ok {
			return time.Unix(number(at), 0).Sub(now)
		}
		return seconds(v)
	}
	age, found := time.Duration(0), false
	for _, directive := range directives(h["Cache-Control"]) {
		name, value, _ := strings.Cut(directive, "=")
		switch strings.ToLower(name) {
		case "no-cache", "no-store", "private":
			return 0
		case "s-maxage":
			return seconds(value)
		case "max-age":
			age, found = seconds(value), true
		}
	}
	if found {
		return age
	}
	if v := h.Get("Expires"); v != "" {
		at, err := http.ParseTime(v)
		if err != nil {
			return 0
		}
		return at.Sub(now)
	}
	return times[i].For
}

// directives splits the values of a list field.
func directives(values []string) []string { return feature.SplitList(strings.Join(values, ",")) }

// varies reports whether an answer depends on fields that are not part of every key.
func varies(values []string) bool {
	return slices.ContainsFunc(directives(values), func(name string) bool {
		switch strings.ToLower(name) {
		case "authorization", "cookie", "accept-encoding":
			return false
		}
		return true
	})
}

// seconds reads a number of seconds, at most a day: services say such things about pages, not about sessions. 0 stands for
// what is none.
func seconds(text string) time.Duration {
	return min(time.Duration(number(strings.Trim(text, `"`)))*time.Second, 24*time.Hour)
}

// number reads a number that is neither negative nor beyond all calendars, else 0.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 33)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
