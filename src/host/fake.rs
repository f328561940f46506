//! A machine in a directory, for tests: its sysfs is plain files, and a stand-in for the kernel reacts to writes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use nix::errno::Errno;

use super::change::{Change, System};
use super::{Host, files};

/// The kernel's part: reacts to writes as the PCI core and vfio-pci do.
#[derive(Debug)]
pub(super) struct Kernel {
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Which driver takes an address by its ID.
    native: HashMap<String, String>,
    /// What vfio-pci answers instead of taking a function.
    refusal: Option<Errno>,
    /// How many changes there were, and which is to fail.
    count: usize,
    fail_at: Option<usize>,
    /// With what it fails; EIO where nothing is said.
    failure: Option<Errno>,
    /// Whether unbinding does not end.
    stuck: bool,
    log: Vec<String>,
}

impl Kernel {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn note(&self, what: String) -> io::Result<()> {
        let mut state = self.state();
        state.count += 1;
        state.log.push(what);
        if state.fail_at == Some(state.count) {
            return Err(state.failure.unwrap_or(Errno::EIO).into());
        }
        Ok(())
    }

    fn sys(&self, path: &str) -> PathBuf {
        self.root.join("sys").join(path)
    }

    fn function(&self, address: &str) -> PathBuf {
        self.sys("devices/pci0000:00").join(address)
    }

    fn attach(&self, address: &str, driver: &str) -> io::Result<()> {
        if driver == "vfio-pci" {
            if let Some(errno) = self.state().refusal {
                return Err(errno.into());
            }
            let group = files::link_name(self.function(address).join("iommu_group")).ok_or(Errno::EINVAL)?;
            fs::create_dir_all(self.root.join("dev/vfio"))?;
            fs::write(self.root.join("dev/vfio").join(group), "")?;
        }
        symlink(self.sys("bus/pci/drivers").join(driver), self.function(address).join("driver"))
    }

    fn detach(&self, address: &str) -> io::Result<()> {
        let link = self.function(address).join("driver");
        if files::link_name(&link).as_deref() == Some("vfio-pci") {
            let group = files::link_name(self.function(address).join("iommu_group")).ok_or(Errno::EINVAL)?;
            let members = files::names(self.sys("kernel/iommu_groups").join(&group).join("devices"));
            let others = members.iter().filter(|member| *member != address).any(|member| {
                files::link_name(self.function(member).join("driver")).as_deref() == Some("vfio-pci")
            });
            if !others {
                fs::remove_file(self.root.join("dev/vfio").join(group))?;
            }
        }
        fs::remove_file(link)
    }

    fn matches(&self, address: &str, driver: &str) -> bool {
        match files::text(self.function(address).join("driver_override")).filter(|name| name != "(null)") {
            Some(name) => name == driver,
            None => self.state().native.get(address).is_some_and(|native| native == driver),
        }
    }
}

impl Change for Kernel {
    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        self.note(format!("{name} {}", text.trim()))?;
        if !path.exists() {
            return Err(Errno::ENOENT.into());
        }
        let address = text.trim();
        let driver = || {
            let path = fs::canonicalize(path).unwrap();
            path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned()
        };
        match name.as_str() {
            "driver_override" => fs::write(path, if address.is_empty() { "(null)\n" } else { text }),
            "unbind" => {
                let bound = files::link_name(self.function(address).join("driver"));
                if bound != Some(driver()) {
                    return Err(Errno::ENODEV.into());
                }
                self.detach(address)
            }
            "bind" => {
                let driver = driver();
                if !self.matches(address, &driver) {
                    return Err(Errno::ENODEV.into());
                }
                if self.function(address).join("driver").exists() {
                    return Err(Errno::EBUSY.into());
                }
                self.attach(address, &driver)
            }
            "drivers_probe" => {
                if !self.function(address).join("driver").exists() {
                    let drivers = files::names(self.sys("bus/pci/drivers"));
                    if let Some(driver) = drivers.iter().find(|driver| self.matches(address, driver)) {
                        // What the driver's probe answers is not passed on.
                        let _ = self.attach(address, driver);
                    }
                }
                Ok(())
            }
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn write_within(&self, path: &Path, text: &str, _patience: Duration) -> io::Result<()> {
        let stuck = self.state().stuck;
        if stuck {
            self.note("stuck".into())?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.write(path, text)
    }

    fn give(&self, path: &Path, uid: Option<u32>, gid: Option<u32>, mode: u32) -> io::Result<()> {
        let name = path.file_name().unwrap().to_str().unwrap();
        self.note(format!("give {name} {uid:?} {gid:?} {mode:04o}"))
    }

    fn save(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.note("save".into())?;
        System.save(path, bytes)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.note("remove".into())?;
        System.remove(path)
    }

    fn load(&self, module: &str) -> io::Result<()> {
        self.note(format!("load {module}"))?;
        if self.sys("modules").join(module).exists() {
            fs::create_dir_all(self.sys("module").join(module))?;
            if module != "vfio_iommu_type1" {
                add_driver(&self.root, module);
            }
            return Ok(());
        }
        Err(io::Error::other(format!("Module {module} not found")))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<()> {
        self.note(format!("run {program} {}", arguments.join(" ")))
    }
}

fn add_driver(root: &Path, driver: &str) {
    let path = root.join("sys/bus/pci/drivers").join(driver);
    fs::create_dir_all(&path).unwrap();
    for file in ["bind", "unbind"] {
        fs::write(path.join(file), "").unwrap();
    }
}

/// A machine in a directory of its own.
pub(super) struct Machine {
    directory: tempfile::TempDir,
    kernel: Arc<Kernel>,
}

impl Machine {
    /// One with vfio-pci loaded and no function.
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_path_buf();
        let kernel = Arc::new(Kernel { root: root.clone(), state: Mutex::default() });
        let machine = Self { directory, kernel };
        machine.file("sys/bus/pci/drivers_probe", "");
        machine.file("sys/module/vfio_iommu_type1/refcnt", "0\n");
        fs::create_dir_all(root.join("sys/bus/pci/devices")).unwrap();
        fs::create_dir_all(root.join("dev/vfio")).unwrap();
        fs::create_dir_all(root.join("proc")).unwrap();
        add_driver(&root, "vfio-pci");
        machine
    }

    /// The host that the library sees.
    pub(super) fn host(&self) -> Host {
        let mut host = Host::at(self.directory.path());
        host.change = self.kernel.clone();
        host
    }

    /// The path of something in this machine.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Writes a file, and makes its directory.
    pub(super) fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Makes a link, and its directory.
    pub(super) fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// Adds a function with its driver and group.
    pub(super) fn function(
        &self,
        address: &str,
        vendor: u16,
        device: u16,
        driver: Option<&str>,
        group: Option<u32>,
    ) {
        let path = format!("sys/devices/pci0000:00/{address}");
        let mut config = vec![0u8; 64];
        config[..2].copy_from_slice(&vendor.to_le_bytes());
        config[2..4].copy_from_slice(&device.to_le_bytes());
        self.file(&format!("{path}/vendor"), &format!("{vendor:#06x}\n"));
        self.file(&format!("{path}/device"), &format!("{device:#06x}\n"));
        self.file(&format!("{path}/class"), "0x020000\n");
        self.file(&format!("{path}/driver_override"), "(null)\n");
        fs::write(self.path(&format!("{path}/config")), config).unwrap();
        let real = self.path(&path);
        self.link(&format!("sys/bus/pci/devices/{address}"), real.to_str().unwrap());
        if let Some(group) = group {
            let groups = format!("sys/kernel/iommu_groups/{group}");
            self.link(&format!("{groups}/devices/{address}"), real.to_str().unwrap());
            self.link(&format!("{path}/iommu_group"), self.path(&groups).to_str().unwrap());
        }
        if let Some(driver) = driver {
            add_driver(self.directory.path(), driver);
            self.kernel.attach(address, driver).unwrap();
            if driver != "vfio-pci" {
                self.takes(address, driver);
            }
        }
    }

    /// Says which driver takes an address by its ID.
    pub(super) fn takes(&self, address: &str, driver: &str) {
        self.kernel.state().native.insert(address.to_string(), driver.to_string());
    }

    /// Adds a network interface to a function; returns its directory.
    pub(super) fn network(&self, address: &str, name: &str, flags: u32) -> String {
        let path = format!("sys/devices/pci0000:00/{address}/net/{name}");
        self.file(&format!("{path}/flags"), &format!("{flags:#x}\n"));
        self.link(&format!("{path}/subsystem"), "../../../../../class/net");
        self.link(&format!("sys/class/net/{name}"), self.path(&path).to_str().unwrap());
        path
    }

    /// Adds a disk or partition to a function; returns its directory.
    pub(super) fn disk(&self, address: &str, name: &str, number: &str) -> String {
        let path = format!("sys/devices/pci0000:00/{address}/{name}");
        self.file(&format!("{path}/dev"), &format!("{number}\n"));
        self.link(&format!("{path}/subsystem"), "../../../../../class/block");
        path
    }

    /// Adds a process with descriptors on files of this machine.
    pub(super) fn process(&self, pid: u32, command: &str, files: &[&str]) {
        self.file(&format!("proc/{pid}/comm"), &format!("{command}\n"));
        fs::create_dir_all(self.path(&format!("proc/{pid}/fd"))).unwrap();
        for (number, file) in files.iter().enumerate() {
            self.link(&format!("proc/{pid}/fd/{}", number + 3), self.path(file).to_str().unwrap());
        }
    }

    /// Sets this process's memlock limit and what it has locked, in KiB, and its capabilities.
    pub(super) fn limits(&self, limit: u64, locked: u64, capabilities: &str) {
        let bytes = limit * 1024;
        self.file("proc/self/limits", &format!("Max locked memory  {bytes}  {bytes}  bytes\n"));
        self.file(
            "proc/self/status",
            &format!("Name:\tx\nVmLck:\t{locked} kB\nVmPin:\t0 kB\nCapEff:\t{capabilities}\n"),
        );
    }

    /// Makes vfio-pci refuse.
    pub(super) fn refuse(&self, errno: Option<Errno>) {
        self.kernel.state().refusal = errno;
    }

    /// Makes the `n`-th change from now on fail, counted from 1; `None` none.
    pub(super) fn fail_at(&self, n: Option<usize>) {
        let mut state = self.kernel.state();
        (state.count, state.fail_at) = (0, n);
        state.log.clear();
    }

    /// Makes unbinding wait without end.
    pub(super) fn stick(&self) {
        self.kernel.state().stuck = true;
    }

    /// Says with what [`fail_at`](Self::fail_at) fails.
    pub(super) fn fail_with(&self, errno: Errno) {
        self.kernel.state().failure = Some(errno);
    }

    /// The changes since the last [`fail_at`](Self::fail_at).
    pub(super) fn log(&self) -> Vec<String> {
        self.kernel.state().log.clone()
    }

    /// The driver of a function.
    pub(super) fn driver(&self, address: &str) -> Option<String> {
        files::link_name(self.kernel.function(address).join("driver"))
    }

    /// The text of a function's override.
    pub(super) fn override_of(&self, address: &str) -> Option<String> {
        files::text(self.kernel.function(address).join("driver_override"))
    }
}
