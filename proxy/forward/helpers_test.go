package forward

import "net/netip"

// addrPort parses an address that is known to be good.
func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
