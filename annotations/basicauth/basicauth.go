package basicauth

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
)

const (
	typeKey       = "auth-type"
	secretKey     = "auth-secret"
	secretTypeKey = "auth-secret-type"
	realmKey      = "auth-realm"
	exceptKey     = "no-auth-locations"
)

// fileKey is the key of a Secret that holds an htpasswd file.
const fileKey = "auth"

// Family declares the keys.
var Family = feature.Family{
	Name:  "basicauth",
	Doc:   "Users and passwords.",
	Order: 20, // behind the lists of addresses, before external authentication
	Keys: []feature.Key{
		{
			Name: typeKey, Type: "basic", OnInvalid: feature.DenyRoute,
			Doc:  "Asks for a user and a password. The Service does not get to see them.",
			Note: "digest is not supported: its paths answer 503.",
		},
		{
			Name: secretKey, Type: "name or namespace/name of a Secret", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
			Doc: "The Secret with the users.",
			Note: "A line that cannot be read keeps only its user out, and is reported; where nobody is left the paths answer 503, not 401. " +
				"bcrypt hashes of a cost above 14 and SHA-crypt hashes of more than a million rounds are refused.",
		},
		{
			Name: secretTypeKey, Type: "auth-file or auth-map", Default: "auth-file", OnInvalid: feature.DenyRoute,
			Doc: "auth-file: the key auth of the Secret holds an htpasswd file. auth-map: each key is a user, its value the hash.",
		},
		{
			Name: realmKey, Type: "text", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
			Doc:  "What browsers show when they ask for the password.",
			Note: `Any printable ASCII is fine. In ingress-nginx the realm "off" switches authentication off; here it is a realm.`,
		},
	},
	Settings: []feature.Key{{
		Name: exceptKey, Type: "list of path prefixes", Default: "/.well-known/acme-challenge",
		Doc: "Paths of Ingress rules that neither basic nor external authentication guards.",
	}},
	Apply: apply,
}

// apply adds the filter, and before it one that keeps the credentials from the Service.
func apply(in *feature.Reader, out *feature.Intent) {
	if !in.HasAnnotation(typeKey) {
		switch {
		case in.Present(typeKey):
			in.Refuse(typeKey, "it is empty: write basic, or remove the annotation")
		case in.HasAnnotation(secretKey):
			in.Warn(secretKey, "it does nothing without auth-type: write auth-type: basic")
		}
		return
	}
	switch strings.ToLower(in.String(typeKey)) {
	case "basic":
	case "digest":
		in.Refuse(typeKey, "digest authentication is not supported: write basic, over https it is as safe")
		return
	default:
		in.Refuse(typeKey, "unknown value: write basic")
		return
	}
	credentials, secret, ok := readUsers(in)
	realm := in.Matching(realmKey, isPrintable, "printable ASCII")
	if !ok {
		return
	}
	except := strings.Join(in.List(exceptKey), ",")
	out.AddFilter(Conceal{Except: except})
	out.AddFilter(Spec{Realm: realm, Secret: secret, Users: credentials, Except: except})
}

// maxShown is how many bad lines of a Secret are named; more would drown everything else.
const maxShown = 10

// readUsers reads the Secret.
func readUsers(in *feature.Reader) (credentials Credentials, secret string, ok bool) {
	mode := in.Enum(secretTypeKey, "auth-file", "auth-map")
	if !in.HasAnnotation(secretKey) {
		in.Refuse(secretKey, "auth-type needs it: name the Secret with the users")
		return "", "", false
	}
	data, secret, ok := in.Secret(secretKey)
	if !ok {
		return "", "", false
	}
	var file string
	var mistakes []mistake
	var err error
	if mode == "auth-map" {
		file, mistakes, err = readMap(data)
	} else {
		raw, ok := data[fileKey]
		if !ok {
			in.Lack(secretKey, "the Secret %s has no key %q: put an htpasswd file there, or write auth-secret-type: auth-map",
				secret, fileKey)
			return "", "", false
		}
		file = string(raw)
		mistakes, err = readFile(file, nil)
	}
	for i, m := range mistakes {
		if i == maxShown {
			in.Warn(secretKey, "Secret %s: %d more users cannot log in", secret, len(mistakes)-maxShown)
			break
		}
		in.Warn(secretKey, "Secret %s: %v; nobody can log in with it", secret, m)
	}
	if err != nil {
		in.Lack(secretKey, "Secret %s: %v", secret, err)
		return "", "", false
	}
	return Credentials(file), secret, true
}

// isPrintable reports whether text is printable ASCII.
func isPrintable(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return true
}

// excepted reports whether a path of a rule begins with one of a comma list of prefixes. It compares the rule's
// path, not that of a request, as ingress-nginx does.
func excepted(path, list string) bool {
	for prefix := range strings.SplitSeq(list, ",") {
		if prefix != "" && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
