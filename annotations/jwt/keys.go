package jwt

import "github.com/yettproxy/yett/annotations/feature"

const (
	issuerKey       = "jwt-issuer"
	audiencesKey    = "jwt-audiences"
	uriKey          = "jwt-jwks-uri"
	secretKey       = "jwt-jwks-secret"
	algorithmsKey   = "jwt-algorithms"
	headersKey      = "jwt-from-headers"
	paramsKey       = "jwt-from-params"
	cookiesKey      = "jwt-from-cookies"
	requiredKey     = "jwt-required"
	forwardKey      = "jwt-forward-token"
	claimHeadersKey = "jwt-claim-headers"
	requireKey      = "jwt-require-claims"
)

// fileKey is the key of a Secret that holds a key set.
const fileKey = "jwks"

// Family declares the keys.
var Family = feature.Family{
	Name:  "jwt",
	Doc:   "JSON Web Tokens.",
	Order: 25, // behind passwords, before the service that may take longest
	Keys:  keys,
	Apply: apply,
}

// keys are the annotations. All of them guard access, so that a mistake in any answers 503.
var keys = []feature.Key{
	{
		Name: issuerKey, Type: "text", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc: "Asks for a token of this issuer (iss, letter by letter): else 401, and 503 as long as its keys never came. Tokens must end (exp); a minute of " +
			"difference between clocks is forgiven.",
		Note: "ingress-nginx has none of the jwt keys, and ignores them: on the way back to it nobody asks for tokens any more.",
	},
	{
		Name: audiencesKey, Type: "comma list", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc: "For whom tokens must be issued (aud): one of these. Without it tokens for anybody will do.",
	},
	{
		Name: uriKey, Type: "URL", Risk: feature.High, OnInvalid: feature.DenyRoute,
		Doc: "Where the issuer publishes its keys: https, or http to a Service of the cluster or a private address. They are fetched every ten minutes, and because of an " +
			"unknown key at most every 30 s; if that fails the last ones are good for a day. Redirects are not followed.",
	},
	{
		Name: secretKey, Type: "name or namespace/name of a Secret", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc: "A Secret with the keys instead: a JSON Web Key Set under jwks.",
	},
	{
		Name: algorithmsKey, Type: "comma list", Default: "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA", OnInvalid: feature.DenyRoute,
		Doc: "What tokens may be signed with. There is no none and nothing symmetric.",
	},
	{
		Name: headersKey, Type: "comma list of names, each with a scheme behind it or none", Default: "Authorization Bearer", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc: "Fields that may carry the token. The default holds if no place is named. Several tokens in one request are none.",
	},
	{
		Name: paramsKey, Type: "comma list of names", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc: "Parameters of the query that may carry the token. They end up in access logs.",
	},
	{
		Name: cookiesKey, Type: "comma list of names", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc: "Cookies that may carry the token.",
	},
	{
		Name: requiredKey, Type: "bool", Default: "true", OnInvalid: feature.DenyRoute,
		Doc: "With false requests without a token pass, as with Istio's RequestAuthentication; those with a bad one do not.",
	},
	{
		Name: forwardKey, Type: "bool", Default: "false", OnInvalid: feature.DenyRoute,
		Doc: "Whether the Service gets to see the token.",
	},
	{
		Name: claimHeadersKey, Type: "comma list of name=claim", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc: "Fields that tell the Service what the token claims, such as X-User=sub, X-Roles=realm_access.roles. What clients write there never reaches it.",
	},
	{
		Name: requireKey, Type: "comma list of claim=values", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc: "Claims that a token must have, else 403: each with one of the values, which have spaces between, such as scope=read write, group=admin.",
	},
}
