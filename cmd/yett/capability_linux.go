package main

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// raiseBind lets this process bind ports below 1024 if its file may do so.
//
// The file in the image has the capability as "permitted", not as "effective": with the latter the kernel refuses
// to run it at all where a pod drops every capability and listens on high ports. So it is raised here, on all
// threads, and where it is not permitted nothing happens: then binding will say so, or the port needs none.
func raiseBind() {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return
	}
	const bind = uint32(1) << unix.CAP_NET_BIND_SERVICE
	if data[0].Permitted&bind == 0 || data[0].Effective&bind != 0 {
		return
	}
	data[0].Effective |= bind
	// Threads have capabilities of their own, and any of them may be the one that binds.
	_, _, _ = syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
}

// permitBind gives a file the capability to bind ports below 1024. It needs CAP_SETFCAP.
func permitBind(file string) error {
	// struct vfs_cap_data, revision 2, little endian: flags, then permitted and inheritable, twice.
	attribute := binary.LittleEndian.AppendUint32(nil, 2<<24)
	attribute = binary.LittleEndian.AppendUint32(attribute, 1<<unix.CAP_NET_BIND_SERVICE)
	attribute = append(attribute, make([]byte, 12)...)
	if err := unix.Setxattr(file, "security.capability", attribute, 0); err != nil {
		return fmt.Errorf("permit %q to bind low ports: %w", file, err)
	}
	return nil
}
