package watch

import "golang.org/x/sys/unix"

// remote tells whether others can write to where a path is without this machine's kernel telling of it: network file systems,
// and folders that a virtual machine shares with its host (WSL's /mnt, Docker Desktop, Vagrant). The numbers are those of
// statfs(2).
func remote(path string) bool {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return false
	}
	switch uint32(s.Type) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.V9FS_MAGIC, unix.AFS_SUPER_MAGIC,
		unix.CEPH_SUPER_MAGIC, unix.CODA_SUPER_MAGIC, 0x786f4256 /* VirtualBox */, 0xbacbacbc /* VMware */, 0x7c7c6673 /* Parallels */ :
		return true
	case unix.FUSE_SUPER_MAGIC: // sshfs and the like, but local ones as well: a look now and then costs them little
		return true
	}
	return false
}
