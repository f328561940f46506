//! The guest's whole file system: busybox, kernel modules, the agent, `dirql`, two ordinary users.

use crate::package::{self, Kernel};
use crate::programs::{self, Programs};
use crate::{Result, install};
use cpio::newc::{Builder, ModeFileType, trailer};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package of the guest's shell and tools.
pub const BUSYBOX: &str = "busybox-static";

/// The kernel modules in the guest, with all that they depend on. Which of them are loaded is each machine's choice.
const MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_console",
    "9pnet_virtio",
    "9p",
    "vfio",
    "vfio_iommu_type1",
    "vfio-pci",
    "e1000",
    "e1000e",
    "virtio_net",
    "virtio_blk",
    "nvme",
    "bochs",
    "virtio_gpu",
    "virtio_rng",
    "tun",
    "pktgen",
    "bridge",
    "bonding",
    "8021q",
    "ext4",
    "crc32c_generic",
];

const FILES: &[(&str, u32, &str)] = &[
    ("init", 0o755, include_str!("../guest/init")),
    ("etc/inittab", 0o644, include_str!("../guest/inittab")),
    ("etc/console", 0o755, include_str!("../guest/console")),
    ("etc/udhcpc.script", 0o755, include_str!("../guest/udhcpc.script")),
    ("etc/passwd", 0o644, include_str!("../guest/passwd")),
    ("etc/group", 0o644, include_str!("../guest/group")),
];

/// Packs the initramfs for this kernel into a file.
pub fn write(kernel: &Kernel, programs: &Programs, target: &Path) -> Result<()> {
    let mut archive = Archive::default();
    for (path, mode, text) in FILES {
        archive.file(path, *mode, text.as_bytes())?;
    }
    let busybox = package::unpacked(BUSYBOX)?.join("bin/busybox");
    archive.copy("bin/busybox", &busybox)?;
    let applets = String::from_utf8(install::run(Command::new(&busybox).arg("--list"))?)?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        archive.symlink(&format!("bin/{applet}"), "/bin/busybox")?;
    }
    // The kernel itself calls /sbin/modprobe.
    archive.symlink("sbin/modprobe", "/bin/busybox")?;
    for program in &programs.executables {
        let name = program.file_name().and_then(|name| name.to_str()).ok_or("an executable has no name")?;
        archive.copy(&format!("usr/bin/{name}"), program)?;
        for (inside, outside) in programs::libraries(program)? {
            archive.copy(inside.trim_start_matches('/'), &outside)?;
        }
    }
    modules(&mut archive, kernel)?;
    for (path, mode) in
        [("share", 0o755), ("mnt", 0o755), ("root", 0o700), ("proc", 0o555), ("sys", 0o555), ("dev", 0o755)]
    {
        archive.directory(path, mode)?;
    }
    for (path, owner) in [("home/demo", 1000), ("home/other", 1001)] {
        archive.directory(path, 0o755)?;
        archive.entries.entry(path.into()).and_modify(|entry| entry.owner = owner);
    }
    let mut file = fs::File::create(target)?;
    archive.write(&mut file)?;
    Ok(())
}

/// Adds the modules with their dependencies, and the `modules.dep` that modprobe reads. Debian's package has none: it
/// is written when the kernel is installed. Each module names what it depends on.
fn modules(archive: &mut Archive, kernel: &Kernel) -> Result<()> {
    let paths: BTreeMap<String, String> = fs::read_to_string(kernel.modules.join("modules.order"))?
        .lines()
        .filter_map(|path| Some((canonical(Path::new(path).file_stem()?.to_str()?), path.to_owned())))
        .collect();
    let built_in = fs::read_to_string(kernel.modules.join("modules.builtin"))?;
    let built_in: BTreeSet<String> =
        built_in.lines().filter_map(|path| Some(canonical(Path::new(path).file_stem()?.to_str()?))).collect();
    let inside = format!("lib/modules/{}", kernel.release);
    let mut wanted: Vec<String> = MODULES.iter().map(|name| canonical(name)).collect();
    let mut dependencies: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Some(name) = wanted.pop() {
        if dependencies.contains_key(&name) || built_in.contains(&name) {
            continue;
        }
        let path =
            paths.get(&name).ok_or_else(|| format!("kernel {} has no module {name}", kernel.release))?;
        let content = fs::read(kernel.modules.join(path))?;
        let needs = depends(&content);
        archive.file(&format!("{inside}/{path}"), 0o644, &content)?;
        wanted.extend(needs.iter().cloned());
        dependencies.insert(name, needs);
    }
    let mut text = String::new();
    for name in dependencies.keys() {
        let mut all = Vec::new();
        closure(name, &dependencies, &mut all);
        let files: Vec<&str> = all.iter().map(|name| paths[name].as_str()).collect();
        text += &format!("{}: {}\n", paths[name], files.join(" "));
    }
    archive.file(&format!("{inside}/modules.dep"), 0o644, text.as_bytes())
}

/// Everything that a module needs, what is needed by others last: the order in which modprobe loads from the end.
fn closure(name: &str, dependencies: &BTreeMap<String, Vec<String>>, all: &mut Vec<String>) {
    for need in dependencies.get(name).into_iter().flatten() {
        if dependencies.contains_key(need) {
            all.retain(|known| known != need);
            all.push(need.clone());
            closure(need, dependencies, all);
        }
    }
}

/// The module's own word on what it depends on: `depends=a,b` in its `.modinfo` section.
fn depends(module: &[u8]) -> Vec<String> {
    let key = b"\0depends=";
    let Some(start) = module.windows(key.len()).position(|window| window == key) else { return vec![] };
    let value = module[start + key.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(value);
    names.split(',').filter(|name| !name.is_empty()).map(canonical).collect()
}

/// `-` and `_` are one character in a module's name.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// A cpio archive under construction; directories come by themselves.
#[derive(Default)]
struct Archive {
    entries: BTreeMap<PathBuf, Entry>,
}

struct Entry {
    kind: ModeFileType,
    mode: u32,
    owner: u32,
    content: Vec<u8>,
}

impl Archive {
    fn add(&mut self, path: &str, kind: ModeFileType, mode: u32, content: Vec<u8>) -> Result<()> {
        let path = PathBuf::from(path);
        for parent in path.ancestors().skip(1).filter(|parent| parent.parent().is_some()) {
            let directory =
                || Entry { kind: ModeFileType::Directory, mode: 0o755, owner: 0, content: vec![] };
            self.entries.entry(parent.to_owned()).or_insert_with(directory);
        }
        self.entries.insert(path, Entry { kind, mode, owner: 0, content });
        Ok(())
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.add(path, ModeFileType::Regular, mode, content.to_owned())
    }

    fn directory(&mut self, path: &str, mode: u32) -> Result<()> {
        self.add(path, ModeFileType::Directory, mode, vec![])
    }

    fn symlink(&mut self, path: &str, to: &str) -> Result<()> {
        self.add(path, ModeFileType::Symlink, 0o777, to.as_bytes().to_owned())
    }

    fn copy(&mut self, path: &str, from: &Path) -> Result<()> {
        let unreadable = |error| format!("cannot read {}: {error}", from.display());
        let content = fs::read(from).map_err(unreadable)?;
        let mode = fs::metadata(from).map_err(unreadable)?.permissions().mode() & 0o777;
        self.add(path, ModeFileType::Regular, mode, content)
    }

    fn write(self, mut target: impl Write) -> Result<()> {
        // A map's order has each directory before what is in it.
        for (inode, (path, entry)) in (1..).zip(self.entries) {
            let name = path.to_str().ok_or("a path in the guest is not UTF-8")?;
            let builder = Builder::new(name).ino(inode).mode(entry.mode).uid(entry.owner).gid(entry.owner);
            let mut writer = builder
                .set_mode_file_type(entry.kind)
                .write(&mut target, u32::try_from(entry.content.len())?);
            writer.write_all(&entry.content)?;
            writer.finish()?;
        }
        trailer(target)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_depends_on() {
        let module = b"\x7fELF...\0license=GPL\0depends=vfio-pci-core,vfio\0retpoline=Y\0";
        assert_eq!(depends(module), ["vfio_pci_core", "vfio"]);
        assert_eq!(depends(b"\0license=GPL\0depends=\0"), [""; 0]);
    }

    #[test]
    fn dependencies_of_dependencies_come_last() {
        let needs = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let all = BTreeMap::from([
            ("pci".to_owned(), needs(&["core", "vfio"])),
            ("core".to_owned(), needs(&["vfio", "virqfd"])),
            ("vfio".to_owned(), needs(&[])),
            ("virqfd".to_owned(), needs(&[])),
        ]);
        let mut found = vec![];
        closure("pci", &all, &mut found);
        let place = |name: &str| found.iter().position(|each| each == name).unwrap();
        assert_eq!(found.len(), 3);
        assert!(place("core") < place("vfio") && place("core") < place("virqfd"));
    }
}
