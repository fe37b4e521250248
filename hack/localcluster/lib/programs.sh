# The programs of a cluster, and how each is started. All run in its namespace; PID files and logs are in its folder.

order=(etcd apiserver controller-manager scheduler containerd dns kubelet proxy)

# running PROGRAM: whether it runs. The PID alone says little after a reboot, so the namespace is looked at, too.
running() {
	local pid
	pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
	kill -0 "$pid" 2>/dev/null && [ "$(ip netns identify "$pid" 2>/dev/null)" = "$name" ]
}

# start PROGRAM
start() {
	[[ " ${order[*]} " = *" $1 "* ]] || die "no program $1: there are ${order[*]}"
	running "$1" && return
	cd "$dir"
	"run_${1//-/_}"
	cd - >/dev/null
}

# stop PROGRAM: ends it without a word.
stop() {
	[[ " ${order[*]} " = *" $1 "* ]] || die "no program $1: there are ${order[*]}"
	running "$1" && kill -9 "$(cat "$dir/$1.pid")"
	return 0
}

# background PROGRAM COMMAND...
background() {
	local program=$1; shift
	setsid $enter "$@" >>"$program.log" 2>&1 </dev/null &
	echo $! >"$program.pid"
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
		--allocate-node-cidrs --cluster-cidr="$pods.0/16" --service-cluster-ip-range="$services.0/16" --leader-elect=false
}

run_scheduler() { background scheduler "$programs/kube-scheduler" --kubeconfig=pki/scheduler.conf --leader-elect=false; }

run_proxy() {
	background proxy "$programs/kube-proxy" --kubeconfig=pki/proxy.conf --hostname-override "$name" --cluster-cidr="$pods.0/16" \
		--proxy-mode=iptables --conntrack-max-per-core=0
}

run_containerd() {
	mkdir -p cni
	cat >cni/10-pods.conflist <<-END
		{"cniVersion":"0.4.0","name":"pods","plugins":[
		 {"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"hairpinMode":true,
		  "ipam":{"type":"host-local","dataDir":"$dir/ipam","ranges":[[{"subnet":"$pods.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
		 {"type":"portmap","capabilities":{"portMappings":true}}]}
	END
	# Without CAP_SYS_RESOURCE runc may not lower oom_score_adj. Pods may bind port 80 as any user, as containerd 2 has it
	# by default, unless told otherwise.
	cat >containerd.toml <<-END
		version = 2
		root = "$dir/containerd-root"
		state = "$dir/containerd-state"
		[grpc]
		  address = "$dir/containerd.sock"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:1"
		  restrict_oom_score_adj = true
		  enable_unprivileged_ports = ${UNPRIVILEGED_PORTS:-true}
		  stream_server_address = "127.0.0.1"
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "$dir/cni"
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
		containerRuntimeEndpoint: unix://$dir/containerd.sock
		clusterDomain: cluster.local
		clusterDNS: [$node]
		evictionHard: {nodefs.available: "1%", imagefs.available: "1%", memory.available: 50Mi}
		imageGCHighThresholdPercent: 100
		resolvConf: ""
	END
	background kubelet "$programs/kubelet" --config kubelet.yaml --kubeconfig pki/kubelet.conf --hostname-override "$name" \
		--node-ip "$node" --root-dir "$dir/kubelet" \
		--node-labels "topology.kubernetes.io/region=${REGION:-region-$index},topology.kubernetes.io/zone=${ZONE:-zone-$index}"
}
