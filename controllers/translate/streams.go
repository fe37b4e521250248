package translate

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// TCP and UDP services (nginx-compat section 4.8): a ConfigMap says under each port "namespace/service:port", and behind
// that "PROXY" where clients send PROXY headers and once more where endpoints want them. An entry with a mistake costs
// that port and no other.

// claimStreams reads the ConfigMaps of TCP and UDP services.
func (w *world) claimStreams() {
	w.settings.Stream.Connect = w.base.Policy.Connect
	w.claimStreamsOf(w.options.TCPServices, false, w.options.ReservedTCP)
	w.claimStreamsOf(w.options.UDPServices, true, w.options.ReservedUDP)
}

// claimStreamsOf reads one of them.
func (w *world) claimStreamsOf(name types.NamespacedName, udp bool, reserved []int) {
	if name.Name == "" {
		return
	}
	data, ok := w.lookup.ConfigMap(name.Namespace, name.Name)
	if !ok {
		w.report(ConfigMap, name, feature.Problem{Reason: "there is no such ConfigMap: no port is opened for it", Note: true})
		return
	}
	first := len(w.streams)
	for _, key := range slices.Sorted(maps.Keys(data)) {
		s, fault := readStream(key, data[key], udp)
		if fault == "" && slices.Contains(reserved, int(s.Port)) {
			fault = "the port is one of the controller's own: choose another"
		}
		if fault == "" && slices.ContainsFunc(w.streams[first:], func(o ir.Stream) bool { return o.Port == s.Port }) {
			fault = "the port is written twice"
		}
		if fault == "" {
			service := w.serviceOf(s.Upstream, nil, nowhere)
			if fault = service.fault; fault == "" {
				service.routed = true
				w.streams = append(w.streams, s)
				continue
			}
		}
		w.report(ConfigMap, name, feature.Problem{Key: shown(key), Value: feature.Shown(data[key]), Reason: fault + ": the port stays closed"})
	}
	slices.SortFunc(w.streams[first:], func(a, b ir.Stream) int { return cmp.Compare(a.Port, b.Port) })
}

// readStream reads an entry; fault says what is wrong with it.
func readStream(key, value string, udp bool) (s ir.Stream, fault string) {
	port, err := strconv.ParseUint(strings.TrimSpace(key), 10, 16)
	if err != nil || port == 0 {
		return s, "the key is not a port: write a number from 1 to 65535"
	}
	parts := strings.Split(strings.TrimSpace(value), ":")
	namespace, service, found := strings.Cut(parts[0], "/")
	if len(parts) < 2 || len(parts) > 4 || !found || namespace == "" || service == "" || strings.Contains(service, "/") || parts[1] == "" {
		return s, `not a Service and a port: write "namespace/service:port", and ":PROXY" behind it to accept PROXY headers, "::PROXY" to send them`
	}
	s = ir.Stream{Port: uint16(port), Upstream: upstream.Key{Namespace: namespace, Service: service, Port: parts[1], UDP: udp}}
	for i, word := range parts[2:] {
		on := strings.EqualFold(word, "PROXY")
		switch {
		case word == "":
		case !on:
			return s, "unknown word " + shownQuoted(word) + `: only "PROXY" may stand behind the port`
		case udp: // ignored as in ingress-nginx: datagrams have no PROXY header here
		case i == 0:
			s.AcceptProxy = true
		default:
			s.SendProxy = true
		}
	}
	return s, ""
}
