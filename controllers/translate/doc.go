// Package translate is the pure core of the controller: Kubernetes objects in, the desired state of the
// data plane and a verdict on every Ingress out. Which host, path, upstream, certificate and canary
// follows from which objects, and who wins where two disagree, is decided here and nowhere else.
//
// It has no client, no clock and no logger: the same objects give the same result, in whatever order
// they come. It never fails as a whole. What an Ingress gets wrong is a Problem in its own Verdict, and a
// route that cannot be served as asked answers 503 or 404 by itself; other Ingresses do not notice.
//
// controllers/store fills Objects, so store and every other controller may import it. It imports the
// annotation families and the plain data of the data plane, and of Kubernetes only API types. Translate may
// run on several goroutines at once; a Memo may be shared by them. Objects are only read, and a Result is
// immutable once returned.
//
// The rules are those of ingress-nginx unless a comment says otherwise. In short: Ingresses are taken
// oldest first; the oldest that claims a host, path and path type has it; what belongs to a host or to a
// Service port is decided by the oldest Ingress that says anything about it; canaries are attached to the
// Service port they stand in for, not to a path.
package translate
