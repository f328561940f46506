//! What the machine must have, whatever the device.

use nix::errno::Errno;
use nix::unistd::{Gid, getegid, getgroups};

use super::super::diagnose::may_open;
use super::super::explain::REMAPPING;
use super::super::explain_dma::beyond_memlock;
use super::super::{Function, Host, KernelVersion, files};
use super::Condition;
use crate::{Code, Error, ErrorKind};

/// What a pool of DMA memory begins with, in bytes.
const POOL: u64 = 2 << 20;

pub fn conditions(host: &Host, function: Option<&Function>) -> Vec<Condition> {
    let mut conditions = vec![virtualisation(host), iommu(host)];
    conditions.extend(remapping(host));
    conditions.extend([modules(host), container(host)]);
    conditions.extend(features(host));
    conditions.extend([rules(host), memlock(host, function), huge_pages(host)]);
    conditions.extend(lockdown(host));
    conditions
}

/// Says nothing of VFIO itself, but where firmware has it off, the IOMMU mostly is too.
fn virtualisation(host: &Host) -> Condition {
    const NAME: &str = "CPU virtualisation";
    let cpu = files::text(host.proc.join("cpuinfo")).unwrap_or_default();
    let has = |flag: &str| {
        let flags = cpu.lines().find(|line| line.starts_with("flags") || line.starts_with("Features"));
        flags.is_some_and(|flags| flags.split_whitespace().any(|word| word == flag))
    };
    match () {
        () if has("vmx") => Condition::pass(NAME, "Intel VT-x"),
        () if has("svm") => Condition::pass(NAME, "AMD-V"),
        () if has("hypervisor") => {
            Condition::pass(NAME, "none inside this virtual machine, and none is needed")
        }
        () if !cfg!(target_arch = "x86_64") => Condition::pass(NAME, "not looked at on this architecture"),
        () => Condition::warn(
            NAME,
            "the CPU shows none; firmware that has it off mostly has the IOMMU off, too",
        )
        .fix("switch virtualisation (VT-x and VT-d, or SVM and IOMMU) on in the firmware's setup"),
    }
}

fn iommu(host: &Host) -> Condition {
    const NAME: &str = "IOMMU";
    let groups = host.translated_groups();
    if groups > 0 {
        let plural = if groups == 1 { "" } else { "s" };
        return Condition::pass(NAME, format!("on, with {groups} group{plural}"));
    }
    let (why, fix) = host.why_no_iommu();
    let error = Error::new(ErrorKind::Precondition, NAME).why(why).fix(fix).code(Code::E3);
    Condition::fail(NAME, &error)
}

/// The names of interrupt controllers tell: those behind a remapping unit begin with `IR-`.
fn remapping(host: &Host) -> Option<Condition> {
    const NAME: &str = "interrupt remapping";
    let interrupts = files::text(host.proc.join("interrupts"))?;
    if interrupts.split_whitespace().any(|word| word.starts_with("IR-")) {
        return Some(Condition::pass(NAME, "on"));
    }
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let unsafe_allowed = host.sys.join("module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
    if files::text(unsafe_allowed).as_deref() == Some("Y") {
        return Some(Condition::warn(
            NAME,
            "off, and vfio_iommu_type1 is told to do without: a device may raise any interrupt of the machine",
        ));
    }
    let error = Error::new(ErrorKind::Precondition, NAME)
        .why("no interrupt of this machine goes through a remapping unit: VFIO refuses groups without it")
        .fix(REMAPPING)
        .code(Code::E5);
    Some(Condition::fail(NAME, &error))
}

fn modules(host: &Host) -> Condition {
    const NAME: &str = "modules";
    let needed = [
        ("vfio-pci", host.driver_path("vfio-pci").is_dir()),
        ("vfio_iommu_type1", host.sys.join("module/vfio_iommu_type1").is_dir()),
    ];
    let missing: Vec<_> = needed.iter().filter(|(_, loaded)| !loaded).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Condition::pass(NAME, "vfio-pci and vfio_iommu_type1 are loaded");
    }
    // `dirql bind` loads them.
    Condition::warn(NAME, format!("{} not loaded yet; dirql bind does it", missing.join(" and ")))
        .fix(format!("sudo modprobe -a {}", missing.join(" ")))
}

fn container(host: &Host) -> Condition {
    const NAME: &str = "VFIO container";
    let node = host.container_node();
    let refused = if node.exists() { may_open(&node).err() } else { Some(Errno::ENOENT) };
    match refused {
        None => Condition::pass(NAME, format!("{} may be opened", node.display())),
        // The module makes it.
        Some(Errno::ENOENT) if !host.driver_path("vfio-pci").is_dir() => {
            Condition::warn(NAME, format!("{} comes with the module", node.display()))
                .fix("sudo modprobe vfio-pci")
        }
        Some(errno) => Condition::fail(NAME, &host.container_refused(errno)),
    }
}

/// What this kernel has of VFIO.
fn features(host: &Host) -> Vec<Condition> {
    let kernel = host.kernel_version();
    let loaded = host.driver_path("vfio-pci").is_dir();
    let groups = match (host.sys.join("class/vfio").is_dir(), loaded) {
        (true, _) => Condition::pass("groups", "this kernel has them: /dev/vfio/N"),
        (false, false) => {
            Condition::warn("groups", "not known before vfio-pci is loaded").fix("sudo modprobe vfio-pci")
        }
        (false, true) => {
            let error = Error::new(ErrorKind::Precondition, "groups")
                .why(format!(
                    "the kernel {kernel} has none (CONFIG_VFIO_GROUP), and dirql opens devices by them"
                ))
                .fix("boot a kernel with CONFIG_VFIO_GROUP")
                .code(Code::E2);
            Condition::fail("groups", &error)
        }
    };
    let since =
        |name, major, minor, has: &str, without: &str| newer(&kernel, name, (major, minor), has, without);
    vec![
        groups,
        since("device nodes", 6, 6, "new enough; dirql uses groups all the same", "dirql uses groups"),
        since("dynamic MSI-X", 6, 5, "new enough to add vectors one by one", "MSI-X is enabled whole"),
    ]
}

fn newer(
    kernel: &KernelVersion,
    name: &'static str,
    (major, minor): (u32, u32),
    has: &str,
    without: &str,
) -> Condition {
    let found = match kernel.is_at_least(major, minor) {
        true => format!("{kernel}: {has}"),
        false => format!("{kernel} is older than {major}.{minor}; {without}"),
    };
    Condition::pass(name, found)
}

/// Whether nodes have an owner for good, and whether that is this user.
fn rules(host: &Host) -> Condition {
    const NAME: &str = "udev rules";
    // The administrator's, this boot's, and those of packages.
    let places =
        [host.etc.join("udev/rules.d"), host.run.join("udev/rules.d"), host.usr.join("lib/udev/rules.d")];
    let found = places.into_iter().find_map(|directory| {
        let names = files::names(&directory);
        names.into_iter().map(|name| directory.join(name)).find(|path| {
            let text = files::text(path).unwrap_or_default();
            text.lines()
                .any(|line| !line.trim_start().starts_with('#') && line.contains("SUBSYSTEM==\"vfio\""))
        })
    });
    let Some(path) = found else {
        return Condition::pass(
            NAME,
            "none: dirql bind --owner gives a node away for as long as it is bound",
        );
    };
    Condition::pass(NAME, format!("{}; this process is in {}", path.display(), own_groups()))
}

/// The groups of this process, by name.
fn own_groups() -> String {
    let mut groups: Vec<Gid> = getgroups().unwrap_or_default();
    groups.insert(0, getegid());
    let mut names: Vec<String> = Vec::new();
    for gid in groups {
        let name = nix::unistd::Group::from_gid(gid).ok().flatten();
        let name = name.map_or_else(|| gid.to_string(), |group| group.name);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// What a driver takes to begin with, in bytes.
fn need(function: Option<&Function>) -> u64 {
    match function.map(|function| function.class.base) {
        // Two framebuffers of 1920 x 1080.
        Some(3) => 8 * POOL,
        Some(2) => 2 * POOL,
        _ => POOL,
    }
}

fn memlock(host: &Host, function: Option<&Function>) -> Condition {
    const NAME: &str = "memlock";
    let (limits, need) = (host.limits(), need(function));
    let kibibytes = |bytes: u64| format!("{} KiB", bytes / 1024);
    let Some(available) = limits.available() else {
        let why = if limits.is_exempt { "this process is exempt (CAP_IPC_LOCK)" } else { "unlimited" };
        return Condition::pass(NAME, format!("{} are needed, {why}", kibibytes(need)));
    };
    let figures =
        format!("{} are needed to begin with, {} may be locked", kibibytes(need), kibibytes(available));
    if available >= need {
        return Condition::pass(NAME, figures);
    }
    Condition::fail(NAME, &beyond_memlock(&limits, need, Error::new(ErrorKind::Precondition, NAME)))
}

fn huge_pages(host: &Host) -> Condition {
    const NAME: &str = "huge pages";
    let meminfo = files::text(host.proc.join("meminfo")).unwrap_or_default();
    let field = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let (free, size) = (field("HugePages_Free").unwrap_or(0), field("Hugepagesize").unwrap_or(2048));
    if free > 0 {
        return Condition::pass(NAME, format!("{free} of {size} KiB are free"));
    }
    Condition::pass(NAME, "none is free, and none is needed; with some the IOMMU has less to look up")
        .fix("sudo sysctl vm.nr_hugepages=16")
}

/// Nothing where the kernel has no such thing.
fn lockdown(host: &Host) -> Option<Condition> {
    const NAME: &str = "lockdown";
    let text = files::text(host.sys.join("kernel/security/lockdown"))?;
    let mode = text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))?;
    Some(match mode {
        "none" => Condition::pass(NAME, "off"),
        mode => Condition::warn(
            NAME,
            format!(
                "{mode}: configuration space is not to be written through sysfs, and modules must be signed; VFIO works"
            ),
        ),
    })
}
