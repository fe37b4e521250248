package extauth

import "testing"

// TestASnippetDeniesWhereItWouldCount: the authorization service might have said no with it.
func TestASnippetDeniesWhereItWouldCount(t *testing.T) {
	type set = map[string]string
	const url = "http://auth.test/check"
	for name, tt := range map[string]struct {
		annotations, globals set
		deny                 bool
		key                  string
	}{
		"beside an auth-url":           {set{urlKey: url, snippetKey: "x y;"}, nil, true, snippetKey},
		"without one it means nothing": {set{snippetKey: "x y;"}, nil, false, snippetKey},
		"the ConfigMap's":              {nil, set{global + urlKey: url, global + snippetKey: "x y;"}, true, global + snippetKey},
		"not beside an auth-url of its own": {
			set{urlKey: url}, set{global + urlKey: url, global + snippetKey: "x y;"}, false, "",
		},
		"nor where it is switched off": {
			set{enableGlobalKey: "false"}, set{global + urlKey: url, global + snippetKey: "x y;"}, false, "",
		},
		"nor without a service": {nil, set{global + snippetKey: "x y;"}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems, deny := read(t, tt.annotations, tt.globals)
			if deny != tt.deny {
				t.Errorf("denied %v, problems %+v", deny, problems)
			}
			switch {
			case tt.key == "" && len(problems) > 0:
				t.Errorf("problems %+v", problems)
			case tt.key != "" && (len(problems) != 1 || problems[0].Key != tt.key || problems[0].Denied != tt.deny):
				t.Errorf("problems %+v, want one about %s", problems, tt.key)
			}
		})
	}
}
