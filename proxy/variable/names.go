package variable

import (
	"os"
	"strconv"
	"strings"

	"github.com/yettproxy/yett/proxy/wire"
)

// kind says which function knows a variable; code says which case of its switch.
type kind uint8

const (
	kindLiteral  kind = iota
	kindAbsent        // known, and never has a value
	kindView          // text that some part of the Exchange holds: viewOf
	kindRoute         // text from the route's identity: routeText
	kindField         // fields, cookies and arguments: appendField
	kindNumber        // numbers, times and addresses, which need no escaping: appendNumber
	kindAttempts      // one value for each attempt: appendAttempt
	kindTLS           // the client's handshake and certificate: appendTLS
	kindComposed      // made of several parts: appendComposed
)

// code is the number of a variable within its kind.
type code uint8

// kindView
const (
	method code = iota
	target
	path
	query
	isArgs
	host
	authority
	protocol
	scheme
	https
	forwardedScheme
	forwardedHost
	forwardedPort
	forwardedFor
	requestID
	clientText
	completion
	http2
)

// kindRoute
const (
	serverName code = iota
	namespace
	ingressName
	serviceName
	servicePort
	locationPath
	alternative
)

// kindField
const (
	requestField code = iota
	responseField
	upstreamField
	cookie
	argument
	upstreamCookie
)

// kindNumber
const (
	status code = iota
	bodySent
	bytesSent
	requestLength
	requestTime
	msec
	timeLocal
	timeISO
	connection
	connectionRequests
	peerAddr
	peerPort
	localAddr
	localPort
	proxyProtocolAddr
	proxyProtocolPort
	proxyProtocolLocalAddr
	proxyProtocolLocalPort
	clientPort
)

// kindAttempts
const (
	attemptAddr code = iota
	attemptStatus
	attemptLength
	attemptTime
	attemptConnect
	attemptHeader
)

// kindTLS
const (
	tlsProtocol code = iota
	tlsCipher
	tlsServerName
	tlsReused
	tlsALPN
	clientSubject
	clientIssuer
	clientSerial
	clientFingerprint
	clientVerify
	clientEscapedCert
)

// kindComposed
const (
	requestLine code = iota
	remoteUser
	upstreamName
	binaryAddr
	addForwardedFor
	escapedTarget
)

// nginxVersion is the nginx whose behaviour ours follows: the one in the last ingress-nginx.
const nginxVersion = "1.27.1"

// known lists the variables that have one name. Those that begin with a prefix are in prefixes.
var known = map[string]op{
	"args": {kind: kindView, code: query}, "query_string": {kind: kindView, code: query},
	"is_args": {kind: kindView, code: isArgs}, "request_method": {kind: kindView, code: method},
	"request_uri": {kind: kindView, code: target}, "uri": {kind: kindView, code: path},
	"document_uri": {kind: kindView, code: path}, "host": {kind: kindView, code: host},
	"http_host": {kind: kindView, code: authority}, "server_protocol": {kind: kindView, code: protocol},
	"scheme": {kind: kindView, code: scheme}, "https": {kind: kindView, code: https},
	"http2":              {kind: kindView, code: http2},
	"pass_access_scheme": {kind: kindView, code: forwardedScheme}, "full_x_forwarded_proto": {kind: kindView, code: forwardedScheme},
	"best_http_host": {kind: kindView, code: forwardedHost}, "best_host": {kind: kindView, code: forwardedHost},
	"best_port":        {kind: kindView, code: forwardedPort},
	"pass_server_port": {kind: kindView, code: forwardedPort}, "pass_port": {kind: kindView, code: forwardedPort},
	"full_x_forwarded_for": {kind: kindView, code: forwardedFor},
	"request_id":           {kind: kindView, code: requestID}, "req_id": {kind: kindView, code: requestID},
	"remote_addr": {kind: kindView, code: clientText}, "the_real_ip": {kind: kindView, code: clientText},
	"request_completion": {kind: kindView, code: completion},

	"server_name": {kind: kindRoute, code: serverName}, "namespace": {kind: kindRoute, code: namespace},
	"ingress_name": {kind: kindRoute, code: ingressName}, "service_name": {kind: kindRoute, code: serviceName},
	"service_port": {kind: kindRoute, code: servicePort}, "location_path": {kind: kindRoute, code: locationPath},
	"proxy_alternative_upstream_name": {kind: kindRoute, code: alternative},

	"content_length": {kind: kindField, code: requestField, field: field("content-length")},
	"content_type":   {kind: kindField, code: requestField, field: field("content-type")},

	"status": {kind: kindNumber, code: status}, "body_bytes_sent": {kind: kindNumber, code: bodySent},
	"bytes_sent": {kind: kindNumber, code: bytesSent}, "request_length": {kind: kindNumber, code: requestLength},
	"request_time": {kind: kindNumber, code: requestTime}, "msec": {kind: kindNumber, code: msec},
	"time_local": {kind: kindNumber, code: timeLocal}, "time_iso8601": {kind: kindNumber, code: timeISO},
	"connection": {kind: kindNumber, code: connection}, "connection_requests": {kind: kindNumber, code: connectionRequests},
	"realip_remote_addr": {kind: kindNumber, code: peerAddr}, "realip_remote_port": {kind: kindNumber, code: peerPort},
	"remote_port": {kind: kindNumber, code: clientPort},
	"server_addr": {kind: kindNumber, code: localAddr}, "server_port": {kind: kindNumber, code: localPort},
	"proxy_protocol_addr": {kind: kindNumber, code: proxyProtocolAddr}, "proxy_protocol_port": {kind: kindNumber, code: proxyProtocolPort},
	"proxy_protocol_server_addr": {kind: kindNumber, code: proxyProtocolLocalAddr},
	"proxy_protocol_server_port": {kind: kindNumber, code: proxyProtocolLocalPort},

	"upstream_addr": {kind: kindAttempts, code: attemptAddr}, "upstream_status": {kind: kindAttempts, code: attemptStatus},
	"upstream_response_length": {kind: kindAttempts, code: attemptLength}, "upstream_bytes_received": {kind: kindAttempts, code: attemptLength},
	"upstream_response_time": {kind: kindAttempts, code: attemptTime}, "upstream_connect_time": {kind: kindAttempts, code: attemptConnect},
	"upstream_header_time": {kind: kindAttempts, code: attemptHeader},

	"ssl_protocol": {kind: kindTLS, code: tlsProtocol}, "ssl_cipher": {kind: kindTLS, code: tlsCipher},
	"ssl_server_name": {kind: kindTLS, code: tlsServerName}, "ssl_session_reused": {kind: kindTLS, code: tlsReused},
	"ssl_alpn_protocol": {kind: kindTLS, code: tlsALPN}, "ssl_client_s_dn": {kind: kindTLS, code: clientSubject},
	"ssl_client_i_dn": {kind: kindTLS, code: clientIssuer}, "ssl_client_serial": {kind: kindTLS, code: clientSerial},
	"ssl_client_fingerprint": {kind: kindTLS, code: clientFingerprint}, "ssl_client_verify": {kind: kindTLS, code: clientVerify},
	"ssl_client_escaped_cert": {kind: kindTLS, code: clientEscapedCert},

	"request": {kind: kindComposed, code: requestLine}, "remote_user": {kind: kindComposed, code: remoteUser},
	"proxy_upstream_name": {kind: kindComposed, code: upstreamName}, "binary_remote_addr": {kind: kindComposed, code: binaryAddr},
	"proxy_add_x_forwarded_for": {kind: kindComposed, code: addForwardedFor},
	"escaped_request_uri":       {kind: kindComposed, code: escapedTarget},

	// In ingress-nginx, which proxies everything to one upstream that Lua resolves, this is set to the name of the backend.
	"proxy_host": {kind: kindComposed, code: upstreamName}, "proxy_port": {kind: kindLiteral, text: "80"},
	"nginx_version": {kind: kindLiteral, text: nginxVersion}, "pipe": {kind: kindLiteral, text: "."},
	"hostname": {kind: kindLiteral}, "pid": {kind: kindLiteral},
}

// absent lists what nginx and ingress-nginx know and we have no value for.
const absent = " ancient_browser auth_cookie body_bytes_received cache_path connection_time document_root gzip_ratio " +
	"invalid_referer jwt_payload limit_conn_status limit_rate limit_req_status memcached_key modern_browser " +
	"msie opentelemetry_context_b3 opentelemetry_context_traceparent opentelemetry_span_id opentelemetry_trace_id " +
	"otel_parent_id otel_parent_sampled otel_span_id otel_trace_id proxy_internal_body_length " +
	"proxy_internal_chunked realpath_root request_body " +
	"request_body_file request_filename secure_link secure_link_expires session_time slice_range " +
	"ssl_ciphers ssl_client_cert ssl_client_raw_cert ssl_client_s_dn_legacy ssl_client_i_dn_legacy " +
	"ssl_client_v_end ssl_client_v_remain ssl_client_v_start ssl_curve ssl_curves ssl_early_data ssl_session_id " +
	"ssl_preread_server_name tcpinfo_rcv_space tcpinfo_rtt tcpinfo_rttvar tcpinfo_snd_cwnd uid_got uid_reset uid_set " +
	"upstream_bytes_sent upstream_cache_last_modified upstream_cache_age upstream_cache_status upstream_queue_time " +
	"upstream_last_server_name global_rate_limit_exceeding balancer_ewma_score "

// prefixes lists the variables whose names go on.
var prefixes = []struct {
	prefix string
	op     op
}{
	{"http_", op{kind: kindField, code: requestField}},
	{"sent_http_", op{kind: kindField, code: responseField}},
	{"upstream_http_", op{kind: kindField, code: upstreamField}},
	{"cookie_", op{kind: kindField, code: cookie}},
	{"upstream_cookie_", op{kind: kindField, code: upstreamCookie}},
	{"arg_", op{kind: kindField, code: argument}},
	{"geoip_", op{kind: kindAbsent}},
	{"geoip2_", op{kind: kindAbsent}},
	{"sent_trailer_", op{kind: kindAbsent}},
	{"upstream_trailer_", op{kind: kindAbsent}},
	{"proxy_protocol_tlv_", op{kind: kindAbsent}},
}

// lookup returns the operation for a variable; name is lower case.
func lookup(name string) (op, bool) {
	if o, ok := known[name]; ok {
		switch name {
		case "hostname":
			o.text, _ = os.Hostname()
		case "pid":
			o.text = strconv.Itoa(os.Getpid())
		case "time_local", "time_iso8601":
			o.clock = new(clock)
		}
		return o, true
	}
	if strings.Contains(absent, " "+name+" ") {
		return op{kind: kindAbsent}, true
	}
	for _, p := range prefixes {
		rest, ok := strings.CutPrefix(name, p.prefix)
		if !ok || rest == "" {
			continue
		}
		o := p.op
		o.text = rest
		if o.code < cookie {
			o.field = field(strings.ReplaceAll(rest, "_", "-"))
		}
		return o, true
	}
	return op{}, false
}

// fieldName is a field to look for: by its ID, or by its name with hyphens for underscores.
type fieldName struct {
	id   wire.ID
	name string
}

// field returns how to look for a field.
func field(name string) fieldName { return fieldName{id: wire.Lookup(name), name: name} }
