# The network namespaces of a cluster: one for a node. The first has a bridge, node0, to which the others are joined; it passes
# on what goes to their pods, so that each node needs one route only. Nothing ever leaves the namespaces.

# make_network: makes that of one node.
make_network() {
	[ -e "/var/run/netns/$space" ] || ip netns add "$space"
	# nsenter, not `ip netns exec`: the latter mounts a fresh /sys, which hides the cgroups from the kubelet.
	$enter ip link set lo up
	if ! $enter ip link show node0 >/dev/null 2>&1; then
		if [ "$number" = 1 ]; then
			$enter ip link add node0 type bridge # a bridge, since some kernels have no dummy devices
			$enter ip addr add "$node/24" dev node0
			$enter ip link set node0 up
			$enter ip route add default dev node0
		else
			ip -n "$name" link add "node$number" type veth peer name node0 netns "$space"
			ip -n "$name" link set "node$number" master node0 up
			$enter ip addr add "$node/24" dev node0
			$enter ip link set node0 up
			$enter ip route add default via "$api"
			ip -n "$name" route add "$subnet" via "$node"
		fi
	fi
	$enter sysctl -qw net.ipv4.ip_forward=1
}

# link NAME NAME: joins two clusters at their first nodes.
link() {
	need_root
	existing "${1:-}"; local a=$name i=$index
	existing "${2:-}"; local b=$name j=$index
	[ "$a" != "$b" ] || die "a cluster is not linked with itself"
	ip -n "$a" link show "to-$b" >/dev/null 2>&1 && return
	ip -n "$a" link add "to-$b" type veth peer name "to-$a" netns "$b"
	half "$a" "$i" "$b" "$j"; half "$b" "$j" "$a" "$i"
}

# half A I B J: one side of a link.
half() {
	ip -n "$1" addr add "172.29.$2.$4/32" dev "to-$3"; ip -n "$1" link set "to-$3" up
	ip -n "$1" route add "172.30.$4.0/24" dev "to-$3" src "172.30.$2.1"
	ip -n "$1" route add "10.$((100 + $4)).0.0/16" dev "to-$3" src "172.30.$2.1"
	nsenter --net="/var/run/netns/$1" sysctl -qw "net.ipv4.conf.to-$3.proxy_arp=1"
}
