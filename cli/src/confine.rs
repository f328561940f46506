//! What a command gives up when it opens a device: from then on it holds the device, and needs little else.
//!
//! Capabilities are dropped, but for those that a later step needs; nothing is gained by a program that is run
//! (`no_new_privs`); and with Landlock, where the kernel has it, nothing is written but where the command's output goes, and
//! the socket of its telemetry is.
//! Everything may still be read that the user may read: what fails later is explained from sysfs and procfs.
//!
//! All that holds for a thread and those that it starts. So most goes before the device is opened, and what opening
//! itself needs right after it, before anything starts threads.

use std::fs;
use std::path::{Path, PathBuf};

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};
use dirql::telemetry;
use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus,
};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// The rights that are known here. Those of later kernels say more of devices' ioctls than VFIO could do with.
const KNOWN: ABI = ABI::V3;
/// Where devices are opened.
const NODES: &str = "/dev/vfio";

/// What a command needs after it has opened its device.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// The file that it creates.
    pub output: Option<PathBuf>,
    /// Whether it sets a network interface of the kernel up.
    pub network: bool,
}

impl Needs {
    /// A file that it creates; `-` is stdout, which is open already.
    pub fn output(file: Option<&Path>) -> Self {
        Self { output: file.filter(|file| *file != Path::new("-")).map(Path::to_path_buf), ..Self::default() }
    }

    fn capabilities(&self) -> Vec<Capability> {
        // A file in another user's directory, as under sudo, is created past its permissions.
        let output = self.output.is_some().then_some(Capability::CAP_DAC_OVERRIDE);
        output.into_iter().chain(self.network.then_some(Capability::CAP_NET_ADMIN)).collect()
    }
}

/// Gives up what opening a device does not need.
pub fn before_opening(needs: &Needs) {
    nix::sys::prctl::set_no_new_privs().unwrap_or_else(|errno| log::info!("no_new_privs: {errno}"));
    // With CAP_IPC_LOCK the limit did not hold, and without it the driver's later memory is not to fail.
    if holds(Capability::CAP_IPC_LOCK) {
        setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY)
            .unwrap_or_else(|errno| log::info!("the memlock limit stays: {errno}"));
    }
    match restrict(needs) {
        Ok(RulesetStatus::NotEnforced) => {
            log::info!("this kernel has no Landlock: files stay as open as they are")
        }
        Ok(status) => log::info!(
            "files are only read from here on, but for the command's output (Landlock: {status:?})"
        ),
        Err(error) => log::info!("Landlock: {error}"),
    }
    // Another user's node, and a group without an IOMMU, are opened by right of root.
    let opening = [Capability::CAP_DAC_OVERRIDE, Capability::CAP_SYS_RAWIO];
    keep(&[&needs.capabilities()[..], &opening].concat());
}

/// Gives up what only opening needed.
pub fn once_open(needs: &Needs) {
    keep(&needs.capabilities());
}

/// Gives up the rest: its output is open, its interface is set up.
pub fn done() {
    keep(&[]);
}

fn holds(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false)
}

fn is_memlock_unlimited() -> bool {
    getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(limit, _)| limit == RLIM_INFINITY)
}

/// Drops all capabilities of this thread but these, and that to lock memory where a limit would hold without it.
fn keep(kept: &[Capability]) {
    let drop = || -> Result<CapsHashSet, CapsError> {
        let held = caps::read(None, CapSet::Permitted)?;
        let needed = |capability: &Capability| {
            kept.contains(capability) || *capability == Capability::CAP_IPC_LOCK && !is_memlock_unlimited()
        };
        let left: CapsHashSet = held.into_iter().filter(needed).collect();
        caps::clear(None, CapSet::Inheritable)?;
        caps::set(None, CapSet::Effective, &left)?;
        caps::set(None, CapSet::Permitted, &left)?;
        Ok(left)
    };
    match drop() {
        Ok(left) => log::info!("capabilities left: {left:?}"),
        Err(error) => log::info!("capabilities stay as they are: {error}"),
    }
}

fn restrict(needs: &Needs) -> Result<RulesetStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .create()?;
    let read = AccessFs::from_read(KNOWN);
    let written = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let mut places: Vec<(PathBuf, BitFlags<AccessFs>)> =
        vec![("/".into(), read), (NODES.into(), read | written)];
    if let Some(output) = &needs.output {
        let directory = output.parent().filter(|parent| !parent.as_os_str().is_empty());
        places.push((directory.unwrap_or(Path::new(".")).into(), written | AccessFs::MakeReg));
        // Where it is there already, it may be a link to elsewhere, as /dev/stdout is.
        places.extend(fs::canonicalize(output).ok().map(|file| (file, written)));
    }
    match telemetry::directory() {
        Ok(directory) => places.push((directory, AccessFs::MakeSock | AccessFs::RemoveFile)),
        Err(error) => log::info!("{error}"),
    }
    for (place, access) in places {
        match PathFd::new(&place) {
            Ok(descriptor) => rules = rules.add_rule(PathBeneath::new(descriptor, access))?,
            // What is not there needs no rule; using it fails by itself.
            Err(error) => log::debug!("{}: {error}", place.display()),
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// Runs in a thread of its own, which is confined alone.
    fn confined<T: Send>(needs: &Needs, look: impl FnOnce(RulesetStatus) -> T + Send) -> T {
        thread::scope(|scope| {
            let run = || {
                nix::sys::prctl::set_no_new_privs().unwrap();
                look(restrict(needs).unwrap())
            };
            scope.spawn(run).join().unwrap()
        })
    }

    #[test]
    fn what_is_confined_reads_and_writes_its_output_alone() {
        let (allowed, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let needs = Needs::output(Some(&allowed.path().join("out.pcap")));
        let is_there =
            fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|list| list.contains("landlock"));
        confined(&needs, |status| {
            assert!(!is_there || status != RulesetStatus::NotEnforced, "{status:?}");
            fs::write(allowed.path().join("out.pcap"), "x").unwrap();
            fs::write(allowed.path().join("out.pcap"), "y").unwrap();
            fs::read_to_string("/proc/self/status").unwrap();
            let socket = telemetry::directory().unwrap().join(format!("confine-{}", std::process::id()));
            drop(UnixListener::bind(&socket).unwrap());
            fs::remove_file(&socket).unwrap();
            let refused = fs::write(other.path().join("x"), "x").is_err();
            assert_eq!(refused, status != RulesetStatus::NotEnforced);
        });
        fs::write(other.path().join("x"), "x").unwrap();
    }

    #[test]
    fn an_output_that_is_a_link_is_written_where_it_leads() {
        let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (link, target) = (place.path().join("link"), other.path().join("target"));
        fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        confined(&Needs::output(Some(&link)), |_| fs::write(&link, "x").unwrap());
        assert_eq!(fs::read_to_string(&target).unwrap(), "x");
        confined(&Needs::output(Some(Path::new("in-no-directory"))), |_| ());
    }

    #[test]
    fn a_thread_without_needs_has_no_capability_left() {
        thread::scope(|scope| {
            let dropped = scope.spawn(|| {
                keep(&Needs { network: true, ..Needs::default() }.capabilities());
                // What a test may have besides is the right to lock memory.
                let left = |set| {
                    let mut left = caps::read(None, set).unwrap();
                    left.remove(&Capability::CAP_IPC_LOCK);
                    left
                };
                let kept = left(CapSet::Permitted);
                assert!(kept.iter().all(|capability| *capability == Capability::CAP_NET_ADMIN), "{kept:?}");
                done();
                [CapSet::Permitted, CapSet::Effective, CapSet::Inheritable].map(|set| left(set).len())
            });
            assert_eq!(dropped.join().unwrap(), [0; 3]);
        });
    }
}
