# The keys of a cluster.

# sign FILE SUBJECT [ARGUMENTS...]: makes a key and a certificate.
sign() {
	local file=$1 subject=$2; shift 2
	openssl req -newkey rsa:2048 -nodes -keyout "$file.key" -out "$file.csr" -subj "$subject" 2>/dev/null
	openssl x509 -req -in "$file.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -out "$file.crt" -days 365 "$@" 2>/dev/null
}

# kubeconfig FILE USER GROUP: makes a user and the file to come with.
kubeconfig() {
	sign "$1" "/O=$3/CN=$2"
	cat >"$1.conf" <<-END
		apiVersion: v1
		kind: Config
		current-context: $name
		contexts: [{name: $name, context: {cluster: $name, user: $2}}]
		clusters: [{name: $name, cluster: {server: "https://$api:6443", certificate-authority-data: $(base64 -w0 ca.crt)}}]
		users: [{name: "$2", user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
	END
}

make_keys() {
	[ -f "$dir/pki/admin.conf" ] && return
	mkdir -p "$dir/pki"; chmod 700 "$dir/pki"
	cd "$dir/pki"
	openssl genrsa -out sa.key 2048 2>/dev/null
	openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
	openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 365 -subj "/CN=$name" 2>/dev/null
	cat >api.cnf <<-END
		[req]
		distinguished_name=dn
		[dn]
		[v3]
		subjectAltName=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$services.1,IP:$api
	END
	sign api "/CN=kube-apiserver" -extfile api.cnf -extensions v3
	kubeconfig controller-manager system:kube-controller-manager none
	kubeconfig scheduler system:kube-scheduler none
	kubelet_key() { kubeconfig "kubelet-$number" "system:node:$host" system:nodes; }
	each kubelet_key
	kubeconfig proxy system:kube-proxy none
	kubeconfig admin admin system:masters # last: it says that all are there
	cd - >/dev/null
}
