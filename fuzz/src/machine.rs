//! A machine in a directory, of which the input writes the files.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use dirql::Address;
use dirql::host::Host;

/// The function that the machine has.
pub const FUNCTION: &str = "0000:00:04.0";

/// The directory, and what was last written to each file.
pub struct Machine {
    root: PathBuf,
    written: RefCell<Vec<Option<Vec<u8>>>>,
    files: &'static [&'static str],
}

impl Machine {
    /// A machine with a disk on NVMe and an interface at a function on the kernel's drivers.
    pub fn new(name: &str, files: &'static [&'static str]) -> Self {
        let root = std::env::temp_dir().join(format!("dirql-fuzz-{name}-{}", std::process::id()));
        let machine = Self { root, written: RefCell::new(vec![None; files.len()]), files };
        machine.lay_out().expect("a machine is laid out");
        machine
    }

    fn lay_out(&self) -> std::io::Result<()> {
        let function = self.root.join("sys/devices").join(FUNCTION);
        for directory in ["net/eth1", "nvme/nvme0/nvme0n1"] {
            fs::create_dir_all(function.join(directory))?;
        }
        for directory in [
            "sys/bus/pci/devices",
            "sys/bus/pci/drivers/vfio-pci",
            "sys/bus/pci/drivers/nvme",
            "sys/class/net",
            "sys/class/block",
            "sys/kernel/iommu_groups/4/devices",
            "proc/812/fd",
            "proc/812/fdinfo",
            "dev/vfio",
        ] {
            fs::create_dir_all(self.root.join(directory))?;
        }
        fs::write(self.root.join("dev/vfio/4"), "")?;
        for (link, to) in [
            (format!("sys/bus/pci/devices/{FUNCTION}"), format!("../../../devices/{FUNCTION}")),
            (
                format!("sys/kernel/iommu_groups/4/devices/{FUNCTION}"),
                format!("../../../../devices/{FUNCTION}"),
            ),
            (format!("sys/devices/{FUNCTION}/driver"), "../../bus/pci/drivers/nvme".into()),
            (format!("sys/devices/{FUNCTION}/iommu_group"), "../../kernel/iommu_groups/4".into()),
            (format!("sys/devices/{FUNCTION}/net/eth1/subsystem"), "../../../../class/net".into()),
            (
                format!("sys/devices/{FUNCTION}/nvme/nvme0/nvme0n1/subsystem"),
                "../../../../../class/block".into(),
            ),
            ("proc/812/fd/9".into(), "anon_inode:[vfio-device]".into()),
        ] {
            symlink(to, self.root.join(link))?;
        }
        Ok(())
    }

    /// Writes the files, of which a byte of 0 separates one from the next; those that are not told of are absent.
    pub fn write(&self, bytes: &[u8]) {
        let mut texts = bytes.split(|&byte| byte == 0);
        for (file, written) in self.files.iter().zip(self.written.borrow_mut().iter_mut()) {
            let text = texts.next();
            if text == written.as_deref() {
                continue;
            }
            let path = self.root.join(file);
            let done = match text {
                Some(text) => {
                    path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text))
                }
                None => fs::remove_file(&path),
            };
            done.expect("a file is written");
            *written = text.map(<[u8]>::to_vec);
        }
    }

    /// It, as the library sees it.
    pub fn host(&self) -> Host {
        Host::at(&self.root)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // What is left over is in a temporary directory.
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Where its function is.
pub fn address() -> Address {
    FUNCTION.parse().expect("it is one")
}
