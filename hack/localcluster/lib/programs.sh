# The programs of a cluster, and how each is started. All run in the namespace of their node; PID files and logs are in its folder.

# programs_of NODE: the programs of a node, in the order in which they start. The first has the control plane, too.
programs_of() {
	[ "$1" != 1 ] || echo etcd apiserver controller-manager scheduler balancer dns
	echo containerd kubelet proxy
}

# known PROGRAM: ends this program unless the node has that one.
known() {
	local all
	all=$(programs_of "$number" | tr '\n' ' ')
	[[ " $all" = *" $1 "* ]] || die "no program $1 at node $host: there are $all"
}

# running PROGRAM: whether it runs. The PID alone says little after a reboot, so the namespace is looked at, too.
running() {
	local pid
	pid=$(cat "$home/$1.pid" 2>/dev/null) || return 1
	kill -0 "$pid" 2>/dev/null && [ "$(ip netns identify "$pid" 2>/dev/null)" = "$space" ]
}

# start PROGRAM
start() {
	known "$1"
	running "$1" && return
	mkdir -p "$home"
	cd "$home"
	"run_${1//-/_}"
	cd - >/dev/null
}

# stop PROGRAM: ends it without a word.
stop() {
	known "$1"
	running "$1" && kill -9 "$(cat "$home/$1.pid")"
	return 0
}

# background PROGRAM COMMAND...
background() {
	local program=$1; shift
	setsid $enter "$@" >>"$program.log" 2>&1 </dev/null &
	echo $! >"$program.pid"
}

# chosen LIST: the node's item of a list with commas; the last one if the list is shorter.
chosen() {
	local list
	IFS=, read -ra list <<<"$1"
	echo "${list[number - 1]-${list[-1]}}"
}

run_etcd() { background etcd "$programs/etcd" --data-dir "$dir/etcd" --unsafe-no-fsync --log-level warn; }

run_apiserver() {
	# No aggregation flags: their CA would have to be another one than that of clients.
	background apiserver "$programs/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --advertise-address="$node" --secure-port=6443 \
		--service-cluster-ip-range="$services.0/16" --client-ca-file=pki/ca.crt --tls-cert-file=pki/api.crt \
		--tls-private-key-file=pki/api.key --service-account-issuer=https://kubernetes.default.svc \
		--service-account-key-file=pki/sa.pub --service-account-signing-key-file=pki/sa.key \
		--authorization-mode=Node,RBAC --allow-privileged=true \
		--kubelet-preferred-address-types=InternalIP --kubelet-client-certificate=pki/admin.crt --kubelet-client-key=pki/admin.key
}

run_controller_manager() {
	background controller-manager "$programs/kube-controller-manager" --kubeconfig=pki/controller-manager.conf \
		--service-account-private-key-file=pki/sa.key --root-ca-file=pki/ca.crt --use-service-account-credentials \
		--allocate-node-cidrs --cluster-cidr="$pods.0.0/16" --service-cluster-ip-range="$services.0/16" --leader-elect=false
}

run_scheduler() { background scheduler "$programs/kube-scheduler" --kubeconfig=pki/scheduler.conf --leader-elect=false; }

# The balancer stands in for a cloud: it gives LoadBalancer Services an address, which kube-proxy then answers at.
run_balancer() { background balancer "$here/lib/balancer" "$programs/kubectl --kubeconfig=$dir/pki/admin.conf" "172.30.$index"; }

run_proxy() {
	background proxy "$programs/kube-proxy" --kubeconfig="$dir/pki/proxy.conf" --hostname-override "$host" --cluster-cidr="$pods.0.0/16" \
		--proxy-mode=iptables --conntrack-max-per-core=0
}

run_containerd() {
	mkdir -p cni
	cat >cni/10-pods.conflist <<-END
		{"cniVersion":"0.4.0","name":"pods","plugins":[
		 {"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"hairpinMode":true,
		  "ipam":{"type":"host-local","dataDir":"$home/ipam","ranges":[[{"subnet":"$subnet"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
		 {"type":"portmap","capabilities":{"portMappings":true}}]}
	END
	# Without CAP_SYS_RESOURCE runc may not lower oom_score_adj. Pods may bind port 80 as any user, as containerd 2 has it
	# by default, unless told otherwise.
	cat >containerd.toml <<-END
		version = 2
		root = "$home/containerd-root"
		state = "$home/containerd-state"
		[grpc]
		  address = "$home/containerd.sock"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:1"
		  restrict_oom_score_adj = true
		  enable_unprivileged_ports = ${UNPRIVILEGED_PORTS:-true}
		  stream_server_address = "127.0.0.1"
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "$home/cni"
	END
	rm -f containerd.sock*
	background containerd containerd -c containerd.toml
}

# Cluster DNS runs beside the kubelet, not as a pod: it is there before the first pod, and its image needs no loading.
run_dns() {
	cat >Corefile <<-END
		.:53 {
			bind $node
			errors
			cache 5
			kubernetes cluster.local in-addr.arpa {
				kubeconfig $dir/pki/admin.conf
			}
		}
	END
	background dns "$programs/coredns" -conf Corefile
}

run_kubelet() {
	cat >kubelet.yaml <<-END
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		failCgroupV1: false
		failSwapOn: false
		cgroupDriver: cgroupfs
		cgroupsPerQOS: false
		enforceNodeAllocatable: []
		authentication: {anonymous: {enabled: false}, x509: {clientCAFile: $dir/pki/ca.crt}, webhook: {enabled: false}}
		authorization: {mode: AlwaysAllow}
		containerRuntimeEndpoint: unix://$home/containerd.sock
		clusterDomain: cluster.local
		clusterDNS: [$api]
		evictionHard: {nodefs.available: "1%", imagefs.available: "1%", memory.available: 50Mi}
		imageGCHighThresholdPercent: 100
		resolvConf: ""
	END
	local region zone=zone-$index
	[ "$number" = 1 ] || zone=$zone-$number
	region=$(chosen "${REGION:-region-$index}") zone=$(chosen "${ZONE:-$zone}")
	background kubelet "$programs/kubelet" --config kubelet.yaml --kubeconfig "$dir/pki/kubelet-$number.conf" --hostname-override "$host" \
		--node-ip "$node" --root-dir "$home/kubelet" \
		--node-labels "topology.kubernetes.io/region=$region,topology.kubernetes.io/zone=$zone"
}
