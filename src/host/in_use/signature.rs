//! What the first sectors of a disk say that it carries, where udev does not say it. Only what is common: the kernel's
//! own partitions and mounts are looked at before.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// How far the signatures reach: btrfs has its at 64 KiB.
const LENGTH: u64 = 68 << 10;

/// Name, where, and the bytes that are there.
const SIGNATURES: [(&str, usize, &[u8]); 17] = [
    ("a LUKS volume", 0, b"LUKS\xba\xbe"),
    ("xfs", 0, b"XFSB"),
    ("squashfs", 0, b"hsqs"),
    ("bcachefs", 4096 + 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca"),
    ("ntfs", 3, b"NTFS    "),
    ("exfat", 3, b"EXFAT   "),
    ("a FAT file system", 54, b"FAT1"),
    ("a FAT file system", 82, b"FAT32   "),
    ("a partition table (gpt)", 512, b"EFI PART"),
    ("a partition table (gpt)", 4096, b"EFI PART"),
    ("an LVM volume", 512, b"LABELONE"),
    ("f2fs", 1024, b"\x10\x20\xf5\xf2"),
    ("an ext file system", 1080, b"\x53\xef"),
    ("swap space", 4086, b"SWAPSPACE2"),
    ("a RAID member", 4096, b"\xfc\x4e\x2b\xa9"),
    ("iso9660", 32769, b"CD001"),
    ("btrfs", 65536 + 64, b"_BHRfS_M"),
];

/// Where the entries of an old partition table lie, and how long they are.
const ENTRIES: std::ops::Range<usize> = 446..510;
const ENTRY: usize = 16;

/// What the disk or partition with this node carries; nothing where it is none that is known here.
pub(super) fn of(node: &Path) -> io::Result<Option<&'static str>> {
    let mut bytes = Vec::new();
    match File::open(node)?.take(LENGTH).read_to_end(&mut bytes) {
        Ok(_) => Ok(found(&bytes)),
        // It is shorter than it says, or defect: what was read counts.
        Err(error) if error.kind() != ErrorKind::PermissionDenied => Ok(found(&bytes)),
        Err(error) => Err(error),
    }
}

fn found(bytes: &[u8]) -> Option<&'static str> {
    let is = |&&(_, at, signature): &&(&str, usize, &[u8])| {
        bytes.get(at..).is_some_and(|rest| rest.starts_with(signature))
    };
    SIGNATURES
        .iter()
        .find(is)
        .map(|(name, ..)| *name)
        .or_else(|| dos_table(bytes).then_some("a partition table (dos)"))
}

/// A boot sector with a partition in it whose status and type make sense.
fn dos_table(bytes: &[u8]) -> bool {
    let Some(entries) = bytes.get(ENTRIES).filter(|_| bytes.get(510..512) == Some(&[0x55, 0xaa])) else {
        return false;
    };
    let sound = |entry: &[u8]| entry[0] & 0x7f == 0;
    let used = |entry: &[u8]| entry[4] != 0 && entry[12..] != [0; 4];
    entries.chunks(ENTRY).all(sound) && entries.chunks(ENTRY).any(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signature_is_found_where_it_lies_and_nowhere_else() {
        let empty = vec![0_u8; LENGTH as usize];
        assert_eq!(found(&empty), None);
        assert_eq!(found(&[]), None);
        for (name, at, signature) in SIGNATURES {
            let mut disk = empty.clone();
            disk[at..at + signature.len()].copy_from_slice(signature);
            assert_eq!(found(&disk), Some(name));
            disk.rotate_right(1);
            assert_eq!(found(&disk), None, "{name}");
            assert_eq!(found(&disk[..at]), None, "{name}");
        }
    }

    #[test]
    fn a_boot_sector_alone_is_no_partition_table() {
        let mut disk = vec![0_u8; 512];
        disk[510..].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(found(&disk), None);
        (disk[446], disk[450], disk[458]) = (0x80, 0x83, 8);
        assert_eq!(found(&disk), Some("a partition table (dos)"));
        disk[462] = 1;
        assert_eq!(found(&disk), None);
    }
}
