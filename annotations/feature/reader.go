package feature

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Objects finds what annotations refer to. Implementations answer from memory.
type Objects interface {
	// Secret returns the data of a Secret, or false if there is none.
	Secret(namespace, name string) (map[string][]byte, bool)
	// ConfigMap returns the data of a ConfigMap, or false if there is none.
	ConfigMap(namespace, name string) (map[string]string, bool)
	// HasService says whether there is a Service of this name.
	HasService(namespace, name string) bool
}

// Source is what a Reader reads from.
type Source struct {
	// Namespace is that of the Ingress, or of the controller's ConfigMap.
	Namespace string
	// Annotations are those of the Ingress; nil while the ConfigMap itself is read.
	Annotations map[string]string
	// Prefixes are tried in order; the first that has the key wins.
	Prefixes []string
	// Globals are the data of the controller's ConfigMap.
	Globals map[string]string
	Objects Objects
	// CrossNamespace allows references to other namespaces (allow-cross-namespace-resources).
	CrossNamespace bool
}

// Reader hands out the values of the keys that one family declares. It reports everything it had to
// refuse and never fails itself.
type Reader struct {
	src      *Source
	keys     map[string]*Key
	problems []Problem
	deny     bool
}

// NewReader returns a reader of the keys a family declares. Asking it for another key panics: that is a
// bug of the family, found by its first test.
func NewReader(src *Source, keys []Key) *Reader {
	r := &Reader{src: src, keys: make(map[string]*Key, len(keys))}
	for i := range keys {
		r.keys[keys[i].Name] = &keys[i]
	}
	return r
}

// Problems returns what was refused so far, and whether any of it denies the routes.
func (r *Reader) Problems() ([]Problem, bool) { return r.problems, r.deny }

// Namespace is the namespace of the object that is read.
func (r *Reader) Namespace() string { return r.src.Namespace }

// Objects finds what annotations refer to.
func (r *Reader) Objects() Objects { return r.src.Objects }

// key returns the declaration of a key.
func (r *Reader) key(name string) *Key {
	k, ok := r.keys[name]
	if !ok {
		panic("feature: key " + name + " is read but not declared")
	}
	return k
}

// maxShown is how much of a bad value a Problem repeats, in bytes.
const maxShown = 128

// Refuse notes that the value of a key cannot be honoured, with the reason in words. What follows is
// declared on the key.
func (r *Reader) Refuse(name, format string, args ...any) {
	k := r.key(name)
	v, _ := r.text(k)
	if len(v) > maxShown {
		v = v[:maxShown] + "…"
	}
	p := Problem{Key: name, Value: v, Reason: fmt.Sprintf(format, args...), Denied: k.OnInvalid == DenyRoute}
	r.problems = append(r.problems, p)
	r.deny = r.deny || p.Denied
}

// annotation returns the text of an annotation under any prefix and any of its names.
func (r *Reader) annotation(k *Key) (string, bool) {
	for _, name := range append([]string{k.Name}, k.Aliases...) {
		for _, prefix := range r.src.Prefixes {
			if k.Own && prefix != YettPrefix {
				continue
			}
			if v, ok := r.src.Annotations[prefix+name]; ok {
				if v = clean(v); v != "" {
					return v, true
				}
			}
		}
	}
	return "", false
}

// text returns what is set for a key: by annotation, else by the ConfigMap.
func (r *Reader) text(k *Key) (string, bool) {
	if v, ok := r.annotation(k); ok {
		return v, true
	}
	global := k.Global
	if r.src.Annotations == nil && global == "" {
		global = k.Name
	}
	if global != "" {
		if v := clean(r.src.Globals[global]); v != "" {
			return v, true
		}
	}
	return "", false
}

// clean trims white space around every line, as ingress-nginx does.
func clean(v string) string {
	if !strings.Contains(v, "\n") {
		return strings.TrimSpace(v)
	}
	lines := strings.Split(v, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// Has reports whether a key is set, by the Ingress or by the ConfigMap.
func (r *Reader) Has(name string) bool {
	_, ok := r.text(r.key(name))
	return ok
}

// HasAnnotation reports whether the Ingress itself sets a key.
func (r *Reader) HasAnnotation(name string) bool {
	_, ok := r.annotation(r.key(name))
	return ok
}

// Present reports whether the Ingress carries the key at all, even with an empty value.
func (r *Reader) Present(name string) bool {
	k := r.key(name)
	for _, n := range append([]string{k.Name}, k.Aliases...) {
		for _, prefix := range r.src.Prefixes {
			if _, ok := r.src.Annotations[prefix+n]; ok {
				return true
			}
		}
	}
	return false
}

// String returns the text of a key, or its default.
func (r *Reader) String(name string) string {
	k := r.key(name)
	if v, ok := r.text(k); ok {
		return v
	}
	return k.Default
}

// Matching returns the text of a key if every byte of it is allowed, else notes a problem and returns
// the default. want describes what is allowed.
func (r *Reader) Matching(name string, allowed func(string) bool, want string) string {
	k := r.key(name)
	v, ok := r.text(k)
	if !ok {
		return k.Default
	}
	if !allowed(v) {
		r.Refuse(name, "want %s", want)
		return k.Default
	}
	return v
}

// Bool returns a key as strconv.ParseBool reads it.
func (r *Reader) Bool(name string) bool {
	k := r.key(name)
	def, _ := strconv.ParseBool(k.Default)
	v, ok := r.text(k)
	if !ok {
		return def
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		r.Refuse(name, "not a bool: write true or false")
		return def
	}
	return b
}

// OnOff returns a key whose values are "on" and "off".
func (r *Reader) OnOff(name string) bool { return r.Enum(name, "on", "off") == "on" }

// Int returns a key as a number between low and high.
func (r *Reader) Int(name string, low, high int) int {
	k := r.key(name)
	def, _ := strconv.Atoi(k.Default)
	v, ok := r.text(k)
	if !ok {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		r.Refuse(name, "not a number between %d and %d: write one without unit, such as %q", low, high, k.Default)
		return def
	}
	return n
}

// maxSeconds bounds durations, so that no multiplication overflows: ten years.
const maxSeconds = 10 * 365 * 24 * 3600

// Seconds returns a key as a duration: a whole number of seconds, with or without an "s" behind it.
func (r *Reader) Seconds(name string) time.Duration {
	k := r.key(name)
	def, _ := strconv.Atoi(strings.TrimSuffix(k.Default, "s"))
	n := def
	if v, ok := r.text(k); ok {
		var err error
		n, err = strconv.Atoi(strings.TrimSuffix(v, "s"))
		if err != nil || n < 0 || n > maxSeconds {
			r.Refuse(name, "not a number of seconds: write a whole number such as %q", k.Default)
			n = def
		}
	}
	return time.Duration(n) * time.Second
}

// Size returns a key as a number of bytes: digits with an optional b, k, m or g, as nginx writes sizes.
func (r *Reader) Size(name string) int64 {
	k := r.key(name)
	def, _ := ParseSize(k.Default)
	v, ok := r.text(k)
	if !ok {
		return def
	}
	n, err := ParseSize(v)
	if err != nil {
		r.Refuse(name, "%v", err)
		return def
	}
	return n
}

// ParseSize reads a size as nginx writes it: digits with an optional b, k, m or g in either case.
func ParseSize(v string) (int64, error) {
	digits, shift := v, 0
	if n := len(v); n > 0 {
		switch v[n-1] | 0x20 {
		case 'b':
			digits = v[:n-1]
		case 'k':
			digits, shift = v[:n-1], 10
		case 'm':
			digits, shift = v[:n-1], 20
		case 'g':
			digits, shift = v[:n-1], 30
		}
	}
	n, err := strconv.ParseInt(digits, 10, 63-shift)
	if err != nil || n < 0 || digits[0] == '+' || digits[0] == '-' {
		return 0, fmt.Errorf("not a size: write digits with an optional k, m or g, such as %q", "8m")
	}
	return n << shift, nil
}

// Enum returns a key that has one of the allowed values, in any case; it is returned as spelled in allowed.
func (r *Reader) Enum(name string, allowed ...string) string {
	k := r.key(name)
	v, ok := r.text(k)
	if !ok {
		return k.Default
	}
	for _, a := range allowed {
		if strings.EqualFold(v, a) {
			return a
		}
	}
	r.Refuse(name, "unknown value: write one of %s", strings.Join(allowed, ", "))
	return k.Default
}

// List returns a key as a list separated by commas, without empty parts.
func (r *Reader) List(name string) []string {
	return SplitList(r.String(name))
}

// SplitList splits text at commas and drops white space and empty parts.
func SplitList(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// Prefixes returns a key as a list of networks; single addresses count as networks of one. One bad part
// refuses the whole list, since a list that silently lost a part would admit or refuse the wrong people.
func (r *Reader) Prefixes(name string) ([]netip.Prefix, bool) {
	var list []netip.Prefix
	for _, part := range r.List(name) {
		p, err := ParsePrefix(part)
		if err != nil {
			r.Refuse(name, "%q is neither an address nor a network: write such as 10.0.0.0/8 or 2001:db8::1", part)
			return nil, false
		}
		list = append(list, p)
	}
	return list, true
}

// ParsePrefix reads a network, or an address as a network of one. IPv4 addresses mapped into IPv6 count
// as IPv4, so that they compare equal to what connections report.
func ParsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("network %q: %w", text, err)
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("address %q: %w", text, err)
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// Reference splits a key of the form "name" or "namespace/name"; without a namespace it is that of the
// Ingress. Another namespace is refused unless the ConfigMap allows it. It returns false if the key is not set
// or was refused.
func (r *Reader) Reference(name string) (namespace, object string, ok bool) {
	v, set := r.text(r.key(name))
	if !set {
		return "", "", false
	}
	namespace, object, found := strings.Cut(v, "/")
	if !found {
		namespace, object = r.src.Namespace, v
	}
	if namespace == "" || object == "" || strings.Contains(object, "/") {
		r.Refuse(name, "not a reference: write name or namespace/name")
		return "", "", false
	}
	if namespace != r.src.Namespace && !r.src.CrossNamespace {
		r.Refuse(name, "%s/%s is in another namespace: move it to %s, or set allow-cross-namespace-resources in the ConfigMap",
			namespace, object, r.src.Namespace)
		return "", "", false
	}
	return namespace, object, true
}

// Secret returns the data of the Secret that a key refers to, with its full name. It returns false if the
// key is not set or was refused, which includes a Secret that does not exist.
func (r *Reader) Secret(name string) (data map[string][]byte, full string, ok bool) {
	ns, obj, ok := r.Reference(name)
	if !ok {
		return nil, "", false
	}
	data, ok = r.src.Objects.Secret(ns, obj)
	if !ok {
		r.Refuse(name, "there is no Secret %s/%s: create it", ns, obj)
		return nil, "", false
	}
	return data, ns + "/" + obj, true
}

// ConfigMap returns the data of the ConfigMap that a key refers to, with its full name; see Secret.
func (r *Reader) ConfigMap(name string) (data map[string]string, full string, ok bool) {
	ns, obj, ok := r.Reference(name)
	if !ok {
		return nil, "", false
	}
	data, ok = r.src.Objects.ConfigMap(ns, obj)
	if !ok {
		r.Refuse(name, "there is no ConfigMap %s/%s: create it", ns, obj)
		return nil, "", false
	}
	return data, ns + "/" + obj, true
}
