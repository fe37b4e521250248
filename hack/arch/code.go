package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// httpAllowed are what packages of the data plane may take from net/http besides constants and names of statuses, and why.
var httpAllowed = map[string]string{
	"proxy/filter http.RoundTripper": "Env.HTTP sends requests of the proxy's own",
	"proxy/route http.RoundTripper":  "hands Env.HTTP to filters",
	"proxy http.RoundTripper":        "is given Env.HTTP",
	"proxy http.Request":             "what filters ask of a Rehearsal instead of somebody else",
	"proxy http.Response":            "likewise, what it answers",
	"proxy http.Header":              "likewise",
	"proxy http.NoBody":              "likewise",

	"proxy/http3 http.Request":            "what quic-go hands over; parse makes a wire.Request of it",
	"proxy/http3 http.ResponseWriter":     "likewise; response.go writes through it",
	"proxy/http3 http.Header":             "likewise, of the request and the response",
	"proxy/http3 http.HandlerFunc":        "how quic-go calls",
	"proxy/http3 http.ErrAbortHandler":    "how quic-go is told to reset a stream",
	"proxy/http3 http.TrailerPrefix":      "how quic-go is told of trailers",
	"proxy/http3 http.CanonicalHeaderKey": "how quic-go's map is keyed",
}

// HTTP checks that the data plane does not use net/http: its types are maps and copies of what wire has as views. Its
// constants are welcome.
func HTTP(packages []*Package) (violations []string) {
	for _, p := range packages {
		if !below(p.Path, "proxy") || isOutside(p.Path) {
			continue
		}
		for _, f := range p.Files {
			if !imports(f, "net/http") {
				continue
			}
			ast.Inspect(f.File, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				pkg, ok := sel.X.(*ast.Ident)
				name := "http." + sel.Sel.Name
				if !ok || pkg.Name != "http" || pkg.Obj != nil || httpConstant(sel.Sel.Name) || httpAllowed[p.Path+" "+name] != "" {
					return true
				}
				violations = append(violations, fmt.Sprintf("%s: uses %s: use proxy/wire, or give a reason in hack/arch/code.go", position(f, n), name))
				return true
			})
		}
	}
	return violations
}

// httpConstant reports whether a name of net/http is only a text or a number.
func httpConstant(name string) bool {
	return strings.HasPrefix(name, "Status") || strings.HasPrefix(name, "Method") || name == "TimeFormat"
}

// imports reports whether a file imports a package.
func imports(f *File, path string) bool {
	for _, i := range f.Imports {
		if i.Path.Value == strconv.Quote(path) {
			return true
		}
	}
	return false
}

// Documented checks that every package says what it is for.
func Documented(packages []*Package) (violations []string) {
	for _, p := range packages {
		if len(p.Files) > 0 && !documented(p) {
			violations = append(violations, fmt.Sprintf(`%s has no comment that begins with "Package %s": write a doc.go`, p.Path, p.Name))
		}
	}
	return violations
}

// documented reports whether some file of a package has its comment.
func documented(p *Package) bool {
	for _, f := range p.Files {
		if text := f.Doc.Text(); strings.HasPrefix(text, "Package "+p.Name+" ") || p.Name == "main" && strings.HasPrefix(text, "Command ") {
			return true
		}
	}
	return false
}

// maxLines is how long a file may be.
const maxLines = 500

// Short checks that no file is too long.
func Short(packages []*Package) (violations []string) {
	for _, p := range packages {
		for _, f := range p.Files {
			if f.Lines > maxLines && !f.Generated {
				violations = append(violations, fmt.Sprintf("%s has %d lines, %d are the most: split it", f.Path, f.Lines, maxLines))
			}
		}
	}
	return violations
}

// Initializers checks that nothing happens behind the reader's back when the program starts.
func Initializers(packages []*Package) (violations []string) {
	for _, p := range packages {
		for _, f := range p.Files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					violations = append(violations, fmt.Sprintf("%s: func init: make the thing where it is used", position(f, fn)))
				}
			}
		}
	}
	return violations
}

// State checks that packages have no state of their own: no variable that a function writes, and none that is made to be
// written by several. It looks names up as the parser does, so a write through a pointer or in a method escapes it.
func State(packages []*Package) (violations []string) {
	for _, p := range packages {
		vars := packageVariables(p)
		for name, v := range vars {
			if kind := sharedType(v.spec); kind != "" {
				violations = append(violations, fmt.Sprintf("%s: variable %s is a %s: state belongs to a value that somebody makes and passes on",
					position(v.file, v.spec), name, kind))
			}
		}
		for _, f := range p.Files {
			violations = append(violations, writes(f, vars)...)
		}
	}
	return violations
}

// variable is a variable of a package.
type variable struct {
	file *File
	spec *ast.ValueSpec
}

// packageVariables returns the variables of a package by name.
func packageVariables(p *Package) map[string]variable {
	vars := map[string]variable{}
	for _, f := range p.Files {
		for _, d := range f.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, s := range gen.Specs {
				spec := s.(*ast.ValueSpec)
				for _, name := range spec.Names {
					if name.Name != "_" {
						vars[name.Name] = variable{f, spec}
					}
				}
			}
		}
	}
	return vars
}

// sharedType returns the type of a variable if it is one that only makes sense for shared state.
func sharedType(spec *ast.ValueSpec) string {
	sel, ok := spec.Type.(*ast.SelectorExpr)
	if index, generic := spec.Type.(*ast.IndexExpr); generic {
		sel, ok = index.X.(*ast.SelectorExpr)
	}
	if !ok {
		return ""
	}
	pkg, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	switch kind := pkg.Name + "." + sel.Sel.Name; {
	case pkg.Name == "atomic", kind == "sync.Mutex", kind == "sync.RWMutex", kind == "sync.Map", kind == "sync.WaitGroup":
		return kind
	}
	return ""
}

// writes finds the assignments to variables of the package in the functions of a file.
func writes(f *File, vars map[string]variable) (violations []string) {
	report := func(e ast.Expr) {
		name, ok := root(e, vars)
		if ok {
			violations = append(violations, fmt.Sprintf("%s: writes %s, a variable of the package", position(f, e), name))
		}
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, e := range n.Lhs {
						report(e)
					}
				}
			case *ast.IncDecStmt:
				report(n.X)
			case *ast.CallExpr:
				if name, ok := n.Fun.(*ast.Ident); ok && (name.Name == "delete" || name.Name == "clear") && name.Obj == nil && len(n.Args) > 0 {
					report(n.Args[0])
				}
			}
			return true
		})
	}
	return violations
}

// root returns the variable of the package that an expression is a part of.
func root(e ast.Expr, vars map[string]variable) (string, bool) {
	for {
		switch x := e.(type) {
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.Ident:
			v, ok := vars[x.Name]
			// The parser resolves names within their file: a local variable has a declaration of its own, a
			// variable of another file has none.
			return x.Name, ok && (x.Obj == nil || x.Obj.Decl == v.spec)
		default:
			return "", false
		}
	}
}

// position returns where something stands.
func position(f *File, n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.Path, f.Set.Position(n.Pos()).Line)
}
