//! A machine: QEMU with the devices that a test names, booted and answering.

use crate::boot::{ATTEMPTS, Boot, LockedUp, Process};
use crate::net::{Net, Wire};
use crate::qmp::Qmp;
use crate::screen::Screen;
use crate::viewer::Viewer;
use crate::{Guest, Result, initramfs, install, package, programs};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use std::{env, io};
use tempfile::TempDir;

/// What stands between the devices and the guest's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Iommu {
    /// An IOMMU that remaps interrupts too.
    On,
    /// An IOMMU that does not remap interrupts.
    NoInterruptRemapping,
    /// Nothing.
    Off,
}

/// A machine to be booted.
pub struct MachineBuilder {
    name: String,
    memory_mib: u32,
    iommu: Iommu,
    command_line: Vec<String>,
    objects: Vec<String>,
    drives: Vec<(String, u32)>,
    devices: Vec<String>,
    nics: Vec<(String, String, Net)>,
    modules: Vec<String>,
    directories: Vec<(String, PathBuf)>,
    pcaps: bool,
    heads: Vec<(String, u32)>,
    traces: Vec<String>,
    shell: Option<String>,
    artifacts: Option<PathBuf>,
}

impl MachineBuilder {
    /// The guest's memory; 1024 MiB unless told otherwise.
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// The IOMMU; on unless told otherwise.
    pub fn iommu(mut self, iommu: Iommu) -> Self {
        self.iommu = iommu;
        self
    }

    /// Reserves huge pages of 2 MiB in the guest.
    pub fn huge_pages(self, count: u32) -> Self {
        self.kernel_parameter(&format!("hugepages={count}"))
    }

    /// Adds to the kernel's command line.
    pub fn kernel_parameter(mut self, words: &str) -> Self {
        self.command_line.push(words.to_owned());
        self
    }

    /// Adds a device in QEMU's words; with `addr=`, so that its address is known. Slots 1b and 1c are the lab's own.
    pub fn device(mut self, device: &str) -> Self {
        self.devices.push(device.to_owned());
        self
    }

    /// Adds what is behind a device, in QEMU's words: `rng-random,id=…`, say. A comma in a path is written twice.
    pub fn object(mut self, object: &str) -> Self {
        self.objects.push(object.to_owned());
        self
    }

    /// Adds what is behind a disk, as the device's `drive=` names it: this many MiB that are lost with the machine.
    pub fn drive(mut self, name: &str, mib: u32) -> Self {
        self.drives.push((name.to_owned(), mib));
        self
    }

    /// Adds a NIC in QEMU's words, and what its cable leads to. Its frames go to [`Machine::pcap`] of this name.
    pub fn nic(mut self, name: &str, device: &str, net: Net) -> Self {
        self.nics.push((name.to_owned(), device.to_owned(), net));
        self
    }

    /// Loads a kernel module at boot, so a NIC's own driver: `e1000`.
    pub fn module(mut self, module: &str) -> Self {
        self.modules.push(module.to_owned());
        self
    }

    /// Shows a directory of the host to the guest, which can only read it, as `/mnt/<name>`. Slots from 10 on are taken.
    pub fn directory(mut self, name: &str, path: &Path) -> Self {
        self.directories.push((name.to_owned(), path.to_owned()));
        self
    }

    /// Writes no pcaps, which cost time for each frame.
    pub fn no_pcaps(mut self) -> Self {
        self.pcaps = false;
        self
    }

    /// Lets [`Machine::viewer`] look at a head of a display, by the name that `id=` gives it.
    pub fn viewer(mut self, display: &str, head: u32) -> Self {
        self.heads.push((display.to_owned(), head));
        self
    }

    /// Has QEMU write into [`Machine::log`] whenever this happens; `*` stands for anything.
    pub fn trace(mut self, event: &str) -> Self {
        self.traces.push(event.to_owned());
        self
    }

    /// Puts the console on this terminal, with a shell of this user; the shell's end is the machine's.
    pub fn shell(mut self, user: &str) -> Self {
        self.shell = Some(user.to_owned());
        self
    }

    /// Where console, pcaps and shared files go; `lab/<name>` in cargo's target directory unless told otherwise.
    pub fn artifacts(mut self, directory: &Path) -> Self {
        self.artifacts = Some(directory.to_owned());
        self
    }

    /// Boots the machine and returns when its agent answers. Where the emulated processor locks up before that, which
    /// QEMU's does once in some hundred boots, it is booted anew.
    pub fn boot(self) -> Result<Machine> {
        for _ in 1..ATTEMPTS {
            match self.boot_once() {
                Err(error) if error.is::<LockedUp>() => {
                    eprintln!(
                        "lab: {}: the emulated processor locked up in the boot; booting again",
                        self.name
                    );
                }
                outcome => return outcome,
            }
        }
        self.boot_once()
    }

    fn boot_once(&self) -> Result<Machine> {
        install::ensure(install::MACHINE)?;
        let kernel = package::kernel()?;
        let initramfs = packed(&kernel)?;
        let artifacts = match &self.artifacts {
            Some(directory) => directory.clone(),
            None => programs::build()?.target.join("lab").join(&self.name),
        };
        let console = artifacts.join("console.log");
        let share = artifacts.join("share");
        let _ = fs::remove_dir_all(&artifacts);
        fs::create_dir_all(&share)?;
        // Users of the guest write here too.
        fs::set_permissions(&share, Permissions::from_mode(0o777))?;

        let sockets = tempfile::Builder::new().prefix("dirql-lab").tempdir()?;
        let listen = |name: &str| UnixListener::bind(sockets.path().join(name));
        let (agent, monitor) = (listen("agent")?, listen("qmp")?);
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(self.fixed_arguments());
        qemu.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(initramfs);
        qemu.args(["-append", &self.append()]);
        for name in ["agent", "qmp"] {
            let path = sockets.path().join(name);
            qemu.args(["-chardev", &format!("socket,id={name},path={},server=off", comma(&path)?)]);
        }
        qemu.args([
            "-chardev",
            &match self.shell {
                None => format!("file,id=console,path={}", comma(&console)?),
                Some(_) => format!("stdio,id=console,signal=off,logfile={}", comma(&console)?),
            },
        ]);
        qemu.args(["-fsdev", &format!("local,id=share,security_model=none,path={}", comma(&share)?)]);
        for (slot, (name, path)) in (0x10..).zip(&self.directories) {
            let path = comma(path)?;
            qemu.args(["-fsdev", &format!("local,id={name},security_model=none,readonly=on,path={path}")]);
            qemu.args(["-device", &format!("virtio-9p-pci,addr={slot:x}.0,fsdev={name},mount_tag={name}")]);
        }
        let mut wires = BTreeMap::new();
        for (name, _, net) in &self.nics {
            let pcap = artifacts.join(format!("{name}.pcap"));
            let netdev = match net {
                Net::User => "user".to_owned(),
                Net::Wire => wires.entry(name.clone()).or_insert(Wire::new()?).netdev()?,
            };
            qemu.args(["-netdev", &format!("{netdev},id=net-{name}")]);
            if self.pcaps {
                let dump = format!("filter-dump,id=dump-{name},netdev=net-{name},file={}", comma(&pcap)?);
                qemu.args(["-object", &dump]);
            }
        }
        for object in &self.objects {
            qemu.args(["-object", object]);
        }
        for (name, mib) in &self.drives {
            let path = artifacts.join(format!("{name}.disk"));
            File::create(&path)?.set_len(u64::from(*mib) << 20)?;
            qemu.args(["-drive", &format!("if=none,id={name},format=raw,file={}", comma(&path)?)]);
        }
        for device in &self.devices {
            qemu.args(["-device", device]);
        }
        for (name, device, _) in &self.nics {
            qemu.args(["-device", &format!("{device},id={name},netdev=net-{name},romfile=")]);
        }
        for (display, head) in &self.heads {
            let socket = comma(&sockets.path().join(socket(display, *head)))?;
            qemu.args(["-vnc", &format!("unix:{socket},display={display},head={head}")]);
        }
        for event in &self.traces {
            qemu.args(["-trace", event]);
        }
        let log = artifacts.join("qemu.log");
        fs::write(artifacts.join("command"), format!("{qemu:?}\n"))?;
        qemu.stderr(File::create(&log)?);
        if self.shell.is_none() {
            qemu.stdin(Stdio::null()).stdout(File::options().append(true).open(&log)?);
        }
        let mut boot = Boot::start(&mut qemu, log, console)?;

        let agent = boot.accept(&agent)?;
        let monitor = boot.accept(&monitor)?;
        let qmp = boot.wait_for(|| Qmp::new(monitor.try_clone()?).map(Some))?;
        let (sender, hello) = channel();
        let guest = Guest::new(agent, sender)?;
        boot.wait_for(|| match hello.recv_timeout(Duration::from_millis(100)) {
            Ok(()) => Ok(Some(())),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err("the agent's port has closed".into()),
        })?;
        Ok(Machine { process: boot.process, guest, qmp, wires, artifacts, sockets })
    }

    fn fixed_arguments(&self) -> Vec<String> {
        let accelerator = env::var("DIRQL_LAB_ACCEL").unwrap_or_else(|_| "tcg".into());
        let mut words = format!(
            "-M q35,accel={accelerator},kernel-irqchip=split -cpu max -smp 2 -m {}M -nodefaults -display none \
             -no-reboot -serial chardev:console -mon chardev=qmp,mode=control \
             -device virtio-serial-pci,addr=1c.0 -device virtserialport,chardev=agent,name={} \
             -device virtio-9p-pci,addr=1b.0,fsdev=share,mount_tag=share",
            self.memory_mib,
            dirql_lab_agent::PORT
        );
        match self.iommu {
            Iommu::On => words += " -device intel-iommu,intremap=on,caching-mode=on",
            Iommu::NoInterruptRemapping => words += " -device intel-iommu,intremap=off,caching-mode=on",
            Iommu::Off => {}
        }
        words.split_whitespace().map(str::to_owned).collect()
    }

    fn append(&self) -> String {
        // The kernel's tests of its ciphers take seconds of emulation, and are none of ours; that of its timer fails, and
        // panics, where the host is so busy that an emulated processor stands still meanwhile.
        let mut words = vec![
            "console=ttyS0 rdinit=/init panic=-1 intel_iommu=on cryptomgr.notests no_timer_check".to_owned(),
        ];
        words.extend(self.shell.iter().map(|user| format!("lab.shell={user}")));
        if !self.modules.is_empty() {
            words.push(format!("lab.modules={}", self.modules.join(",")));
        }
        let names: Vec<&str> = self.directories.iter().map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            words.push(format!("lab.directories={}", names.join(",")));
        }
        words.extend(self.command_line.iter().cloned());
        words.join(" ")
    }
}

/// A machine that runs. Commands go to the [`Guest`] that it dereferences to; its end is the drop.
pub struct Machine {
    process: Process,
    guest: Guest,
    qmp: Qmp,
    wires: BTreeMap<String, Wire>,
    artifacts: PathBuf,
    sockets: TempDir,
}

impl Machine {
    /// A machine with no devices yet.
    pub fn builder(name: &str) -> MachineBuilder {
        MachineBuilder {
            name: name.to_owned(),
            memory_mib: 1024,
            iommu: Iommu::On,
            command_line: vec![],
            objects: vec![],
            drives: vec![],
            devices: vec![],
            nics: vec![],
            modules: vec![],
            directories: vec![],
            pcaps: true,
            heads: vec![],
            traces: vec![],
            shell: None,
            artifacts: None,
        }
    }

    /// QEMU's monitor.
    pub fn qmp(&self) -> &Qmp {
        &self.qmp
    }

    /// The pcap that QEMU writes of a NIC's cable, unless it was told not to.
    pub fn pcap(&self, nic: &str) -> PathBuf {
        self.artifacts.join(format!("{nic}.pcap"))
    }

    /// The test's end of a NIC's cable.
    pub fn wire(&self, nic: &str) -> Result<&Wire> {
        self.wires.get(nic).ok_or_else(|| format!("no wire leads to {nic}").into())
    }

    /// Lets the cable to a NIC hold so many bytes that QEMU has not taken yet, or as many as this machine lets it: a frame
    /// takes some hundreds there. Else it holds few, and loses what comes while QEMU has no processor.
    pub fn widen(&self, nic: &str, bytes: usize) -> Result<()> {
        self.wire(nic)?.widen(self.process.0.id(), bytes)
    }

    /// What is on a display's head now.
    pub fn screen(&self, display: &str, head: u32) -> Result<Screen> {
        Screen::dump(&self.qmp, display, head, &self.sockets.path().join("screen.ppm"))
    }

    /// A new viewer of a head that [`MachineBuilder::viewer`] has named.
    pub fn viewer(&self, display: &str, head: u32) -> Result<Viewer> {
        Viewer::connect(&self.sockets.path().join(socket(display, head)))
    }

    /// What QEMU has said until now.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(self.artifacts.join("qemu.log"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The directory that the guest sees as `/share`.
    pub fn share(&self) -> PathBuf {
        self.artifacts.join("share")
    }

    /// Waits until the guest powers itself off.
    pub fn wait(mut self) -> io::Result<()> {
        self.process.0.wait().map(drop)
    }
}

impl Deref for Machine {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        &self.guest
    }
}

/// The initramfs, packed once in a process.
fn packed(kernel: &package::Kernel) -> Result<&'static Path> {
    static PACKED: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let pack = || -> Result<PathBuf> {
        let programs = programs::build()?;
        let directory = programs.target.join("lab");
        fs::create_dir_all(&directory)?;
        // Complete, or not there at all: another run may boot from it right now.
        let file = tempfile::NamedTempFile::new_in(&directory)?;
        initramfs::write(kernel, programs, file.path())?;
        let path = directory.join("initramfs.cpio");
        file.persist(&path)?;
        Ok(path)
    };
    let packed = PACKED.get_or_init(|| pack().map_err(|error| error.to_string()));
    packed.as_deref().map_err(|error| error.clone().into())
}

/// The name of the socket for a head's viewers.
fn socket(display: &str, head: u32) -> String {
    format!("viewer-{display}-{head}")
}

/// A path in QEMU's words, where a comma is written twice.
fn comma(path: &Path) -> Result<String> {
    Ok(path.to_str().ok_or("a path of the lab is not UTF-8")?.replace(',', ",,"))
}
