package feature

import (
	"fmt"
	"net/netip"
	"strings"
)

// Prefixes returns a key as a list of networks; single addresses count as networks of one. One bad part
// refuses the whole list, since a list that silently lost a part would admit or refuse the wrong people.
func (r *Reader) Prefixes(name string) ([]netip.Prefix, bool) {
	var list []netip.Prefix
	for _, part := range r.List(name) {
		p, err := ParsePrefix(part)
		if err != nil && strings.ContainsAny(part, " \t;") {
			r.Refuse(name, "%q is not one network: separate them by commas", Shown(part))
			return nil, false
		}
		if err != nil {
			r.Refuse(name, "%q is neither an address nor a network: write such as 10.0.0.0/8 or 2001:db8::1", Shown(part))
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
// Ingress. An Ingress that names another namespace is refused unless the ConfigMap allows it; what the ConfigMap names
// itself may be anywhere. It returns false if the key is not set or was refused.
func (r *Reader) Reference(name string) (namespace, object string, ok bool) {
	v, source := r.text(r.key(name))
	if source == nowhere {
		return "", "", false
	}
	src := r.sheet.src
	r.sheet.consulted = true
	namespace, object, found := strings.Cut(v, "/")
	if !found {
		namespace, object = src.Namespace, v
	}
	if namespace == "" || object == "" || strings.Contains(object, "/") {
		r.Refuse(name, "not a reference: write name or namespace/name")
		return "", "", false
	}
	if source == fromAnnotation && namespace != src.Namespace && !src.CrossNamespace {
		r.Refuse(name, "%s is in another namespace: move it to %s, or set allow-cross-namespace-resources in the ConfigMap",
			Shown(namespace+"/"+object), src.Namespace)
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
	data, ok = r.Objects().Secret(ns, obj)
	if !ok {
		r.Lack(name, "there is no Secret %s: create it", Shown(ns+"/"+obj))
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
	data, ok = r.Objects().ConfigMap(ns, obj)
	if !ok {
		r.Lack(name, "there is no ConfigMap %s: create it", Shown(ns+"/"+obj))
		return nil, "", false
	}
	return data, ns + "/" + obj, true
}
