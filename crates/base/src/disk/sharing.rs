//! Whether a path is on a disk of this machine, or on a file system that several machines share.
//!
//! Between machines, file locks cannot be trusted (many mounts keep them to one machine, or have none), and neither can
//! `SQLite`'s log, which needs memory that all writers share (<https://www.sqlite.org/wal.html>, "all processes using a
//! database must be on the same host computer"). Kinds are told by `statfs(2)`.

use std::path::Path;

/// `local` or `shared`: overrules what the system says.
pub const FILE_SYSTEM_VARIABLE: &str = "AUGTRIAL_FILE_SYSTEM";

/// File systems of several machines by their number in `linux/magic.h` and in their own headers. FUSE is among them: nothing
/// tells what is behind it (sshfs, GlusterFS, a cloud), and leases work there too.
#[cfg(target_os = "linux")]
const SHARED: [(u64, &str); 16] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x00C3_6400, "Ceph"),
    (0xAAD7_AAEA, "PanFS"),
    (0x5346_414F, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0102_1997, "9P"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x2003_0528, "OrangeFS"),
    (0x6573_5546, "FUSE"),
];

/// What the file system that holds `path` is called, if several machines share it. A path that is not there yet is where the
/// nearest folder above it is.
#[must_use]
pub fn shared_file_system(path: &Path) -> Option<&'static str> {
    match std::env::var(FILE_SYSTEM_VARIABLE).as_deref() {
        Ok("local") => None,
        Ok("shared") => Some("shared by AUGTRIAL_FILE_SYSTEM"),
        _ => kind(path),
    }
}

#[cfg(target_os = "linux")]
fn kind(path: &Path) -> Option<&'static str> {
    let path = std::path::absolute(path).ok()?;
    let found = path.ancestors().find_map(|above| rustix::fs::statfs(above).ok())?;
    // The field is signed on some machines, and the number never needs more than 32 bits.
    name(u64::from(found.f_type as u32))
}

#[cfg(target_os = "linux")]
fn name(number: u64) -> Option<&'static str> {
    SHARED.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

#[cfg(not(target_os = "linux"))]
fn kind(_path: &Path) -> Option<&'static str> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_by_their_numbers_and_disks_are_none() {
        assert_eq!(name(0x6969), Some("NFS"));
        assert_eq!(name(0xFE53_4D42), Some("SMB2"));
        // ext4, tmpfs, overlayfs, XFS and btrfs.
        for disk in [0xEF53, 0x0102_1994, 0x794C_7630, 0x5846_5342, 0x9123_683E] {
            assert_eq!(name(disk), None, "{disk:x}");
        }
        assert_eq!(kind(Path::new("/proc/self")), None);
        assert_eq!(kind(Path::new("/proc/not/there/yet")), None);
    }
}
