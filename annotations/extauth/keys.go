package extauth

import "github.com/yettproxy/yett/annotations/feature"

const (
	urlKey             = "auth-url"
	methodKey          = "auth-method"
	signInKey          = "auth-signin"
	signInParamKey     = "auth-signin-redirect-param"
	responseHeadersKey = "auth-response-headers"
	setHeadersKey      = "auth-proxy-set-headers"
	redirectKey        = "auth-request-redirect"
	cacheKeyKey        = "auth-cache-key"
	cacheDurationKey   = "auth-cache-duration"
	alwaysCookieKey    = "auth-always-set-cookie"
	enableGlobalKey    = "enable-global-auth"
	snippetKey         = "auth-snippet"
	exceptKey          = "no-auth-locations"
	global             = "global-"
)

const (
	defaultParam    = "rd"
	defaultDuration = "200 202 401 5m"
	kept            = "connections to the authorization service are always kept and shared"
)

// Family declares the keys.
var Family = feature.Family{
	Name:     "extauth",
	Doc:      "Authorization by another service.",
	Order:    30, // nginx asks the service last
	Keys:     keys,
	Settings: append(globals(), settings...),
	Apply:    apply,
}

// keys are the annotations. Where ingress-nginx quietly serves without authentication because another key of the group is
// wrong, the paths answer 503.
var keys = []feature.Key{
	{
		Name: urlKey, Type: "URL with variables", Risk: feature.High, OnInvalid: feature.DenyRoute,
		Doc: "The authorization service. Every request is put to it first: 2xx lets it go on, 401 and 403 are passed on, " +
			"anything else gives 500.",
		Note: "An empty value answers 503; ingress-nginx serves without authentication. In the host part only $host and other " +
			"variables that clients cannot choose are allowed. Conditions and ranges (If-None-Match, Range, …) are not passed to " +
			"the service, nor what clients write into X-Forwarded-*, X-Original-* and the like. X-Original-URL has the scheme that " +
			"the client used, also behind a proxy that ends TLS.",
	},
	{
		Name: methodKey, Type: "method", OnInvalid: feature.DenyRoute, Default: "GET",
		Doc: "The method of the request to the service. If set, X-Original-URI and X-Scheme are sent, too.",
	},
	{
		Name: signInKey, Type: "URL with variables", Risk: feature.High,
		Doc: "Where clients are sent (302) when the service answers 401. How to come back is added as a parameter.",
	},
	{
		Name: signInParamKey, Type: "name", Default: defaultParam, Risk: feature.Medium,
		Doc: "The name of that parameter.",
	},
	{
		Name: responseHeadersKey, Type: "comma list of names", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc: "Fields of the service's answer that the upstream gets, instead of those that the client sent.",
	},
	{
		Name: setHeadersKey, Type: "name or namespace/name of a ConfigMap", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc:  "A ConfigMap with fields for the request to the service; values may hold variables.",
		Note: "A change of the ConfigMap takes effect at once; in ingress-nginx only with the next change of something else.",
	},
	{
		Name: redirectKey, Type: "URL with variables", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc:  "The value of X-Auth-Request-Redirect; by default what the client asked for.",
		Note: "It may hold variables. In ingress-nginx a value with $ quietly switches authentication off.",
	},
	{
		Name: cacheKeyKey, Type: "text with variables", Risk: feature.Medium,
		Doc:  "Remembers answers of the service under this key.",
		Note: "The client's Authorization and Cookie always belong to the key, so that nobody gets an answer about somebody else.",
	},
	{
		Name: cacheDurationKey, Type: `list of "statuses time"`, Default: defaultDuration, Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc:  "How long answers are remembered, by status.",
		Note: "In ingress-nginx illegal characters quietly switch authentication off.",
	},
	{Name: "auth-keepalive", Type: "number", Default: "0", Doc: "In nginx, how many idle connections to the service are kept.", NoEffect: kept},
	{Name: "auth-keepalive-share-vars", Type: "bool", Default: "false", Doc: "In nginx, whether requests share variables.", NoEffect: kept},
	{Name: "auth-keepalive-requests", Type: "number", Default: "1000", Doc: "In nginx, how many requests a connection carries.", NoEffect: kept},
	{Name: "auth-keepalive-timeout", Type: "seconds", Default: "60", Doc: "In nginx, how long a connection may idle.", NoEffect: kept},
	{
		Name: alwaysCookieKey, Type: "bool", Default: "false", OnInvalid: feature.DenyRoute,
		Doc:  "Passes the service's cookies on with error responses, too.",
		Note: "In ingress-nginx a value that is no bool quietly switches authentication off. All cookies are passed on, not only the first.",
	},
	{
		Name: snippetKey, Type: "nginx configuration", Risk: feature.Critical, OnInvalid: feature.DenyRoute,
		Doc: "In nginx, added to the request to the service.",
		Note: "Raw nginx configuration is never executed: the paths answer 503, since the answer of the service may depend on it. See " +
			setHeadersKey + ".",
	},
	{
		Name: enableGlobalKey, Type: "bool", Default: "true",
		Doc: "Whether global-auth-url of the ConfigMap holds for this Ingress.",
	},
}

// settings are the keys of the ConfigMap alone.
var settings = []feature.Key{
	{
		Name: exceptKey, Type: "list of path prefixes", Default: "/.well-known/acme-challenge",
		Doc: "Paths of Ingress rules that neither basic nor external authentication guards.",
	},
	{
		Name: "enable-auth-access-log", Type: "bool", Default: "false", Doc: "Logs requests to the authorization service.",
		Unsupported: "not there yet: requests to the authorization service are not logged",
	},
}

// globals are the keys of the ConfigMap that say for all Ingresses what the annotations of the same name say for one. They
// hold all together, for Ingresses without an auth-url of their own.
func globals() (list []feature.Key) {
	for _, k := range keys {
		switch k.Name {
		case urlKey, methodKey, signInKey, signInParamKey, responseHeadersKey, redirectKey, cacheKeyKey, cacheDurationKey, alwaysCookieKey,
			snippetKey:
			k.Name, k.Doc = global+k.Name, k.Name+" for all Ingresses that have no auth-url of their own."
			list = append(list, k)
		}
	}
	return list
}
