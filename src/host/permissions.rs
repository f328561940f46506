//! Rules by which the members of a group may use every device that is bound, for good: for udev, sysusers, PAM's limits
//! and systemd.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::Group;

use super::Host;
use crate::{Error, ErrorKind, Result};

/// The group.
pub const GROUP: &str = "vfio";
/// How each of the files begins: others are not touched.
const OURS: &str = "# Written by dirql udev install;";

/// A file, by where it goes below /etc.
const FILES: [(&str, &str); 4] = [
    ("udev/rules.d/70-dirql.rules", include_str!("../../udev/70-dirql.rules")),
    ("sysusers.d/dirql.conf", include_str!("../../udev/sysusers.conf")),
    ("security/limits.d/dirql.conf", include_str!("../../udev/limits.conf")),
    ("systemd/system/user@.service.d/dirql.conf", include_str!("../../udev/user-service.conf")),
];

/// One of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionFile {
    /// Where it goes.
    pub path: PathBuf,
    /// What is to be in it.
    pub text: &'static str,
    /// How it is there now.
    pub state: FileState,
}

/// How a file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// It is not.
    Absent,
    /// As it is to be.
    Installed,
    /// As another version of dirql wrote it, or as somebody changed it.
    Different,
    /// Somebody else's.
    Foreign,
}

impl Host {
    /// The files, and how they are there now.
    pub fn permission_files(&self) -> Vec<PermissionFile> {
        let file = |(place, text): (&str, &'static str)| {
            let path = self.etc.join(place);
            let state = match std::fs::read_to_string(&path) {
                Ok(there) if there == text => FileState::Installed,
                Ok(there) if there.starts_with(OURS) => FileState::Different,
                Err(error) if error.kind() == io::ErrorKind::NotFound => FileState::Absent,
                // One that cannot be read is nothing to write over either.
                Ok(_) | Err(_) => FileState::Foreign,
            };
            PermissionFile { path, text, state }
        };
        FILES.into_iter().map(file).collect()
    }

    /// Writes the files, makes the group where there is none, and has udev apply the rules to the nodes that there are.
    /// Gives what was done.
    ///
    /// # Errors
    /// `Busy`, with nothing done, where somebody else's file is in the way; `Permission` for a user other than root; where
    /// a file cannot be written, or the group not be made.
    pub fn install_permissions(&self) -> Result<Vec<String>> {
        let operation = "installation of the rules";
        let files = self.permission_files();
        if let Some(foreign) = files.iter().find(|file| file.state == FileState::Foreign) {
            return Err(Error::new(ErrorKind::Busy, operation)
                .path(&foreign.path)
                .why("the file is there, and dirql has not written it")
                .fix(format!("see what it is for, move it away, and again: {INSTALL}")));
        }
        let mut done = vec![];
        for file in files.iter().filter(|file| file.state != FileState::Installed) {
            let saved = self.change.save(&file.path, file.text.as_bytes());
            saved.map_err(|error| for_root(Error::io(&error, operation).path(&file.path), INSTALL))?;
            done.push(format!("wrote {}", file.path.display()));
        }
        if !self.has_group() {
            self.make_group(operation)?;
            done.push(format!("made the group {GROUP}"));
        }
        done.extend(self.apply_rules());
        Ok(done)
    }

    /// Removes the files. The group stays: files may belong to it. Gives what was done.
    ///
    /// # Errors
    /// `Permission` for a user other than root; where a file cannot be removed.
    pub fn remove_permissions(&self) -> Result<Vec<String>> {
        let ours = |file: &PermissionFile| matches!(file.state, FileState::Installed | FileState::Different);
        let mut done = vec![];
        for file in self.permission_files().into_iter().filter(ours) {
            let operation = "removal of the rules";
            let removed = self.change.remove(&file.path);
            removed.map_err(|error| for_root(Error::io(&error, operation).path(&file.path), REMOVE))?;
            done.push(format!("removed {}", file.path.display()));
        }
        if !done.is_empty() {
            done.extend(self.apply_rules());
        }
        Ok(done)
    }

    fn has_group(&self) -> bool {
        let listed = super::files::text(self.etc.join("group")).unwrap_or_default();
        listed.lines().any(|line| line.split(':').next() == Some(GROUP))
            || matches!(Group::from_name(GROUP), Ok(Some(_)))
    }

    fn make_group(&self, operation: &str) -> Result<()> {
        let by = [
            ("systemd-sysusers", &["dirql.conf"][..]),
            ("groupadd", &["--system", GROUP]),
            ("addgroup", &["-S", GROUP]),
        ];
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for (program, arguments) in by {
            match self.change.run(program, arguments) {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        let error = Error::io(&last, operation)
            .why(format!("there is no group {GROUP}, and none could be made: {last}"));
        Err(error.fix(format!("sudo groupadd --system {GROUP}, and again: {INSTALL}")))
    }

    /// What udev was told, or why it was not: then it reads the rules at its next start.
    fn apply_rules(&self) -> Vec<String> {
        let nodes = ["trigger", "--action=change", "--subsystem-match=vfio", "--subsystem-match=vfio-dev"];
        let iommu = ["trigger", "--action=change", "--name-match=iommu"];
        let mut told = self.change.run("udevadm", &["control", "--reload"]);
        told = told.and_then(|()| self.change.run("udevadm", &nodes));
        if self.dev.join("iommu").exists() {
            told = told.and_then(|()| self.change.run("udevadm", &iommu));
        }
        vec![match told {
            Ok(()) => "udev has applied the rules to the nodes that there are".into(),
            Err(error) => format!("udev was not told ({error}): it reads the rules when it starts"),
        }]
    }

    /// Waits until udev has done with the nodes that have just come to be, where it is at work.
    pub(super) fn settle_nodes(&self) {
        if !self.run.join("udev/control").exists() {
            return;
        }
        // Whose a node is shows when it is opened, and is said then.
        if let Err(error) = self.change.run("udevadm", &["settle", "--timeout=2"]) {
            log::debug!("udevadm settle: {error}");
        }
    }
}

const INSTALL: &str = "sudo dirql udev install";
const REMOVE: &str = "sudo dirql udev remove";

/// Says who may do that, where it failed for want of a right.
fn for_root(error: Error, command: &str) -> Error {
    match error.raw_errno() {
        Some(Errno::EACCES | Errno::EPERM | Errno::EROFS) => error
            .kind_is(ErrorKind::Permission)
            .why("the rules of the machine are root's to change")
            .fix(command),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;
    use super::*;

    fn states(host: &Host) -> Vec<FileState> {
        host.permission_files().iter().map(|file| file.state).collect()
    }

    #[test]
    fn what_is_installed_is_removed_and_nothing_else() {
        let machine = Machine::new();
        let host = machine.host();
        machine.file("etc/group", "root:x:0:\n");
        assert_eq!(states(&host), [FileState::Absent; 4]);
        let done = host.install_permissions().unwrap();
        assert_eq!(states(&host), [FileState::Installed; 4]);
        assert_eq!(
            done.len(),
            if matches!(Group::from_name(GROUP), Ok(Some(_))) { 5 } else { 6 },
            "{done:?}"
        );
        assert!(
            machine.log().iter().any(|line| line == "run udevadm control --reload"),
            "{:?}",
            machine.log()
        );

        machine.file("etc/udev/rules.d/70-dirql.rules", &format!("{OURS} an older one\n"));
        assert_eq!(states(&host)[0], FileState::Different);
        host.install_permissions().unwrap();
        assert_eq!(states(&host), [FileState::Installed; 4]);

        machine.file("etc/sysusers.d/dirql.conf", "somebody's\n");
        let error = host.install_permissions().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        host.remove_permissions().unwrap();
        use FileState::{Absent, Foreign};
        assert_eq!(states(&host), [Absent, Foreign, Absent, Absent]);
        assert!(host.remove_permissions().unwrap().is_empty());
    }

    #[test]
    fn without_the_right_nothing_is_written_and_the_command_is_named() {
        let machine = Machine::new();
        machine.fail_at(Some(1));
        machine.fail_with(Errno::EACCES);
        let error = machine.host().install_permissions().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        assert_eq!(error.remedy(), Some(INSTALL));
        assert_eq!(states(&machine.host()), [FileState::Absent; 4]);
    }
}
