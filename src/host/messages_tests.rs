//! What the library says, as it reads: whole messages beside those in `tests/messages`.
//!
//! After a change that is meant, look at them: `INSTA_UPDATE=always cargo test -p dirql messages_tests; git diff`.

use nix::errno::Errno;

use super::fake::Machine;
use super::{BindOptions, Condition, Host, RestoreOptions};
use crate::Error;
use crate::pci::Address;

const NIC: &str = "0000:01:00.0";
const TWIN: &str = "0000:01:01.0";

/// How long what is told is at most: four lines of a terminal, below `why:`.
const TOLD: usize = 4 * (80 - "  why: ".len());

fn nic() -> Address {
    NIC.parse().unwrap()
}

/// A machine with a NIC in group 5, on this driver.
fn machine(driver: Option<&str>) -> (Machine, Host) {
    let machine = Machine::new();
    machine.file("proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx\n");
    machine.file("proc/sys/kernel/osrelease", "6.1.0-1-amd64\n");
    machine.limits(8192, 4096, "0000000000000000");
    machine.function(NIC, 0x8086, 0x100e, driver, Some(5));
    let host = machine.host();
    (machine, host)
}

/// A machine whose group 5 has another function, too.
fn pair(first: &str, second: Option<&str>) -> (Machine, Host) {
    let (machine, host) = machine(Some(first));
    machine.function(TWIN, 0x8086, 0x100e, second, Some(5));
    (machine, host)
}

/// Looks at texts beside those of `tests/messages/NAME.snap`.
fn compare(name: &str, texts: &[String]) {
    let texts: Vec<_> = texts.iter().map(|text| placeless(text)).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messages"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, texts.join("\n\n")));
}

/// Looks at messages. Each says what was done, why it failed, in no more than four lines, and what to do about it.
pub(super) fn compare_errors<'a>(name: &str, errors: impl IntoIterator<Item = &'a Error>) {
    let line = |error: &Error| {
        let text = format!("error: {error}\n[exit code {}]", error.kind().exit_code());
        let why = placeless(error.cause().unwrap_or_else(|| panic!("no why: {error}")));
        assert!(why.chars().count() <= TOLD, "{} is much to read: {why}", why.chars().count());
        // A full stop or a capital would look odd behind `why: `.
        assert!(!why.ends_with('.') && !why.contains("  "), "{why}");
        let heading = text.lines().next().unwrap();
        assert!(heading.chars().count() <= 120, "{heading}");
        text
    };
    compare(name, &errors.into_iter().map(line).collect::<Vec<_>>());
}

/// The text without what another machine, or another user, has otherwise.
fn placeless(text: &str) -> String {
    let root = std::env::temp_dir().join(".tmp");
    let root = root.to_str().unwrap();
    let mut pieces = text.split(root);
    let mut placeless = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        // tempfile's names have six letters more.
        placeless.push_str(piece.get(6..).unwrap_or_default());
    }
    let me = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).ok().flatten();
    let me = me.map_or_else(|| nix::unistd::Uid::effective().to_string(), |user| user.name);
    for (mine, anybodys) in
        [("user ", "user SOMEONE"), ("runs as ", "runs as SOMEONE"), ("--owner ", "--owner $USER")]
    {
        placeless = placeless.replace(&format!("{mine}{me}"), anybodys);
    }
    for before in ["the node is ", "may be opened: "] {
        if let Some(at) = placeless.find(before).map(|at| at + before.len()) {
            let owner = at..placeless[at..].find([',', '\n']).map_or(placeless.len(), |end| at + end);
            if placeless[owner.clone()].ends_with(|digit: char| digit.is_ascii_digit()) {
                placeless.replace_range(owner, "USER:GROUP MODE");
            }
        }
    }
    placeless
}

#[test]
fn refusals_to_bind() {
    let bind = |machine: &Machine| machine.host().bind(nic(), &BindOptions::default()).unwrap_err();
    let mut errors = Vec::new();
    let (denied, _) = machine(Some("e1000"));
    denied.fail_at(Some(1));
    denied.fail_with(Errno::EACCES);
    errors.push(bind(&denied));
    for errno in [Errno::EINVAL, Errno::EBUSY, Errno::ENODEV, Errno::EIO] {
        let (refused, _) = machine(Some("e1000"));
        refused.refuse(Some(errno));
        errors.push(bind(&refused));
    }
    let (bare, _) = machine(Some("e1000"));
    std::fs::remove_dir_all(bare.path("sys/bus/pci/drivers/vfio-pci")).unwrap();
    errors.push(bind(&bare));
    let (used, _) = machine(Some("e1000"));
    used.network(NIC, "eth1", 0x1003);
    errors.push(bind(&used));
    let without_iommu = Machine::new();
    without_iommu.file("proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx\n");
    without_iommu.function(NIC, 0x8086, 0x100e, Some("e1000"), None);
    errors.push(bind(&without_iommu));
    let (bridge, _) = machine(Some("pcieport"));
    let mut config = vec![0; 64];
    config[0x0e] = 1;
    std::fs::write(bridge.path(&format!("sys/devices/pci0000:00/{NIC}/config")), config).unwrap();
    errors.push(bind(&bridge));
    errors.push(Machine::new().host().bind(nic(), &BindOptions::default()).unwrap_err());
    errors.push(Machine::new().host().bindable(7).unwrap_err());
    compare_errors("bind", &errors);
}

#[test]
fn refusals_to_restore() {
    let bound = || {
        let (machine, host) = machine(Some("e1000"));
        host.bind(nic(), &BindOptions::default()).unwrap();
        (machine, host)
    };
    let restore = |host: &Host| host.restore(nic(), &RestoreOptions::default()).unwrap_err();
    let (held, host) = bound();
    held.process(812, "dirql", &["dev/vfio/5"]);
    let mut errors = vec![restore(&host)];
    let (gone, host) = bound();
    std::fs::remove_dir_all(gone.path("sys/bus/pci/drivers/e1000")).unwrap();
    errors.push(restore(&host));
    let (damaged, host) = bound();
    damaged.file(&format!("run/dirql/{NIC}.json"), "{");
    errors.push(restore(&host));
    let (denied, host) = bound();
    denied.fail_at(Some(1));
    denied.fail_with(Errno::EACCES);
    errors.push(restore(&host));
    compare_errors("restore", &errors);
}

#[test]
fn refusals_to_open() {
    let (one, host) = pair("vfio-pci", None);
    let open = |host: &Host, errno| host.explain_open_group(nic(), 5, errno);
    let mut errors = vec![
        open(&host, Errno::EACCES),
        open(&host, Errno::EBUSY),
        host.explain_open_container(nic(), Errno::ENOENT),
        host.explain_open_container(nic(), Errno::EACCES),
        host.explain_set_iommu(nic(), 5, Errno::EPERM),
        host.explain_set_iommu(nic(), 5, Errno::ENODEV),
    ];
    one.process(812, "qemu", &["dev/vfio/5"]);
    errors.extend([open(&host, Errno::EBUSY), host.explain_set_iommu(nic(), 5, Errno::EPERM)]);
    let (_kernels, host) = pair("e1000", None);
    errors.extend([open(&host, Errno::ENOENT), host.explain_get_device(nic(), 5, Errno::ENODEV)]);
    let (_blocked, host) = pair("vfio-pci", Some("e1000"));
    errors.push(host.explain_not_viable(nic(), 5));
    let (missing, host) = pair("vfio-pci", None);
    std::fs::remove_file(missing.path("dev/vfio/5")).unwrap();
    errors.push(open(&host, Errno::ENOENT));
    compare_errors("open", &errors);
}

#[test]
fn refusals_to_map() {
    let (_machine, host) = machine(Some("vfio-pci"));
    let limits = host.limits();
    let ranges = [0..=0xfedf_ffff, 0xfef0_0000..=(1 << 39) - 1];
    let map = |errno, iova, length| host.explain_map(nic(), errno, iova, length, &limits, &ranges);
    let errors = [
        host.explain_memlock(nic(), &limits, 16 << 20).unwrap(),
        map(Errno::EEXIST, 0x1000, 4096),
        map(Errno::ENOSPC, 0x1000, 4096),
        map(Errno::EFAULT, 0x1000, 4096),
        map(Errno::EINVAL, 0x1000, 0),
        map(Errno::EINVAL, 0x1001, 4096),
        map(Errno::EINVAL, 0xfee0_0000, 4096),
        map(Errno::EINVAL, 1 << 40, 4096),
    ];
    compare_errors("map", &errors);
}

#[test]
fn the_doctors_findings() {
    let text = |conditions: Vec<Condition>| {
        let lines = conditions.into_iter().map(|condition| {
            let fix = condition.fix.map(|fix| format!("\n  fix: {fix}")).unwrap_or_default();
            let see = condition.code.map(|code| format!("\n  see: dirql explain {code}")).unwrap_or_default();
            format!("{} {}: {}{fix}{see}", condition.verdict, condition.name, condition.found)
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let examine = |host: &Host| text(host.examine(Some(&host.function(nic()).unwrap())));
    let bare = Machine::new();
    bare.file("proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu hypervisor\n");
    bare.file("proc/interrupts", " 24:  0  PCI-MSI 0-edge  eth0\n");
    bare.file("proc/sys/kernel/osrelease", "6.1.0-1-amd64\n");
    bare.limits(1024, 0, "0000000000000000");
    bare.function(NIC, 0x8086, 0x100e, Some("e1000"), None);
    bare.network(NIC, "eth1", 0x1003);
    let (sound, host) = machine(Some("vfio-pci"));
    sound.file("proc/interrupts", " 24:  0  IR-PCI-MSI 0-edge  eth0\n");
    sound.file("sys/class/vfio/x", "");
    sound.file("dev/vfio/vfio", "");
    sound.file(&format!("sys/devices/pci0000:00/{NIC}/reset_method"), "flr pm\n");
    compare("doctor", &[examine(&bare.host()), examine(&host)]);
}
