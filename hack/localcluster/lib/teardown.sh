# The end of a cluster.

# shims: the processes of its containerds' shims; shims carry the socket's path, which no other cluster shares.
shims() { pgrep -f -- "-address $dir/(node-[0-9]/)?containerd.sock" || true; }

# inside: the processes in the namespaces of its nodes.
inside() { each inside_node; }
inside_node() { [ ! -e "/var/run/netns/$space" ] || ip netns pids "$space"; }

# below PID: a process and all its descendants.
below() {
	local child
	echo "$1"
	for child in $(pgrep -P "$1" || true); do below "$child"; done
}

# spaces: the network namespaces of its pods.
spaces() {
	local p
	for p in $(shims); do for p in $(below "$p"); do ip netns identify "$p" 2>/dev/null || true; done; done | sort -u
}

echo_space() { echo "$space"; }

# tasks: the folders of a node's containers.
tasks() { ls -d "$home"/containerd-state/io.containerd.runtime.v2.task/k8s.io/* 2>/dev/null || true; }

down() {
	if [ ! -d "$dir" ] && [ ! -e "/var/run/netns/$name" ]; then
		echo "$name is not there"
		return
	fi
	local p victims nets n tasks
	each stop kubelet # first, or it starts again what ends
	each stop containerd
	nets=$(spaces)
	tasks=$(each tasks)
	victims=$(for p in $(shims); do below "$p"; done; inside)
	# Shims are told at once with their containers: a shim alone would leave its container behind.
	[ -z "$victims" ] || kill -9 $victims 2>/dev/null || true
	for _ in $(seq 50); do
		[ -z "$(shims)$(inside)" ] && break
		sleep 0.1
	done
	awk -v d="$dir/" 'index($2, d) == 1 {print $2}' /proc/mounts | sort -r | while read -r m; do umount -l "$m"; done
	for n in $nets $(each echo_space); do [ ! -e "/var/run/netns/$n" ] || ip netns del "$n"; done
	# What runc and the shims would have removed, had they been asked: notes, sockets, and control groups of either version.
	for p in $tasks; do
		[ ! -f "$p/address" ] || rm -f "$(sed 's|^unix://||' "$p/address")"
		p=$(basename "$p")
		rm -rf "/run/containerd/runc/k8s.io/$p"
		rmdir "/sys/fs/cgroup/k8s.io/$p" /sys/fs/cgroup/*/"k8s.io/$p" 2>/dev/null || true
	done
	rm -rf "$dir"
	rmdir "$state" 2>/dev/null || true
	echo "$name is gone"
}
