# What a cluster needs of the machine.

need_root() { [ "$(id -u)" = 0 ] || die "needs root: namespaces, mounts and cgroups are made"; }

# missing_packages: names everything that is missing, by the package that has it.
missing_packages() {
	local missing="" pair
	for pair in containerd:containerd ctr:containerd runc:runc iptables:iptables ip:iproute2 conntrack:conntrack \
		openssl:openssl nsenter:util-linux mount:mount sysctl:procps pgrep:procps; do
		command -v "${pair%%:*}" >/dev/null || [[ " $missing " = *" ${pair#*:} "* ]] || missing="$missing ${pair#*:}"
	done
	[ -x /usr/lib/cni/bridge ] || missing="$missing containernetworking-plugins"
	echo $missing
}

need_packages() {
	local missing
	missing=$(missing_packages)
	[ -z "$missing" ] || die "missing: $missing
on Debian: apt-get install $missing"
	command -v go >/dev/null || die "missing: Go"
}
