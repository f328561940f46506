//! The Debian package: what it brings, whom it serves, and that nothing of it stays.

use crate::nics::ROWS;
use crate::{check, test};
use dirql_lab::{Machine, Net, Result, deb, dpkg, udev};
use libtest_mimic::Trial;

const PERMISSION: i32 = 4;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("deb::the_package_installs_serves_an_ordinary_user_and_leaves_nothing", package)]
}

/// Everything that is in the guest's own file system but for dpkg's own knowledge, and what is named after us elsewhere.
const FILES: &str = "{ find / -xdev ! -path '/var/lib/dpkg/*' ! -path '/var/log/*' ! -type d; find /run /var /etc -name '*dirql*'; } | sort";

fn package() -> Result<()> {
    let row = &ROWS[0];
    let address = row.nic.address();
    let built = deb::build()?;
    let directory = built.parent().ok_or("a package is in a directory")?;
    let machine = row
        .nic
        .plug(Machine::builder("deb"), Net::User)
        .directory("udev", &udev::unpacked()?)
        .directory("dpkg", &dpkg::unpacked()?)
        .directory("package", directory)
        .boot()?;
    udev::start(&machine)?;
    dpkg::start(&machine)?;
    // The lab has put the command there itself.
    machine.shell("rm /usr/bin/dirql")?.ok()?;
    let files = || Ok::<_, dirql_lab::Error>(machine.shell(FILES)?.ok()?.text());
    let before = files()?;
    let install = || machine.root("dpkg --install /mnt/package/dirql.deb")?.ok();
    install()?;
    let version = machine.user("demo", "dirql --version")?.ok()?.text();
    check(version.trim() == format!("dirql {}", env!("CARGO_PKG_VERSION")), || version)?;

    let listed = machine.root("dpkg --listfiles dirql")?.ok()?.text();
    for file in [
        "/usr/share/man/man8/dirql.8.gz",
        "/usr/share/man/man8/dirql-bind.8.gz",
        "/usr/share/man/man8/dirql-net-ping.8.gz",
        "/usr/share/bash-completion/completions/dirql",
        "/usr/share/zsh/vendor-completions/_dirql",
        "/usr/share/fish/vendor_completions.d/dirql.fish",
        "/usr/share/doc/dirql/copyright",
        "/usr/share/doc/dirql/changelog.Debian.gz",
        "/usr/share/doc/dirql/examples/70-dirql.rules",
    ] {
        check(listed.lines().any(|line| line == file), || format!("{file} is not in:\n{listed}"))?;
        machine.user("demo", &format!("test -s {file}"))?.ok()?;
    }
    // Nothing is given to anybody by an installation.
    check(!listed.contains("/etc/") && !listed.contains("rules.d"), || listed.clone())?;
    let page = machine.shell("zcat /usr/share/man/man8/dirql-bind.8.gz")?.ok()?.text();
    check(page.contains(".TH DIRQL-BIND 8"), || page)?;

    // An ordinary user in the group runs a NIC once the rules are there, and not before.
    let ping = row.net("ping 10.0.2.2 --count 1");
    machine.root(&format!("dirql bind {address}"))?.ok()?;
    machine.user("demo", &ping)?.exits(PERMISSION)?;
    machine.root("dirql udev install")?.ok()?;
    machine.shell("udevadm settle --timeout=20")?.ok()?;
    machine.user("demo", &ping)?.ok()?;
    machine.user("other", &ping)?.exits(PERMISSION)?;

    // Who removes it while a device is taken is told so, and how to give it back without it.
    let said = machine.root("dpkg --remove dirql")?.ok()?.error_text();
    check(said.contains(&format!("{address} stays bound to vfio-pci")), || said.clone())?;
    let paste =
        said.lines().find_map(|line| line.trim().strip_prefix("sudo ")).ok_or("no command is named")?;
    machine.shell("test ! -e /usr/bin/dirql && test -e /etc/udev/rules.d/70-dirql.rules")?.ok()?;
    machine.shell(paste)?.ok()?;
    machine.shell(&format!("test ! -e /sys/bus/pci/drivers/vfio-pci/{address}"))?.ok()?;
    install()?;
    machine.root(&format!("dirql bind {address}"))?.ok()?;
    machine.user("demo", &ping)?.ok()?;
    machine.root("dirql restore --all")?.ok()?;

    // Somebody else's file is not ours to take, whatever its name.
    machine.shell("echo '# mine' > /etc/udev/rules.d/99-dirql-mine.rules")?.ok()?;
    let said = machine.root("dpkg --purge dirql")?.ok()?.error_text();
    check(!said.contains("stays bound"), || said)?;
    machine.shell("rm /etc/udev/rules.d/99-dirql-mine.rules")?.ok()?;
    let after = files()?;
    check(after == before, || format!("before:\n{before}\nafter:\n{after}"))?;
    machine.shell("! /usr/bin/dpkg --status dirql 2>/dev/null")?.ok().map(drop)
}
