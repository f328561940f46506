//! The displays that the suites run on, row after row in one machine.

use crate::check;
use dirql_lab::{Guest, Machine, MachineBuilder, Output, Result, Running};
use std::fs;
use std::time::Duration;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// What Ctrl-C sends.
pub const INTERRUPT: i32 = 2;
/// What nobody can refuse.
pub const KILL: i32 = 9;
/// What two framebuffers take for each of two monitors: more than the stock limit, which one has room in.
pub const MEMLOCK: u64 = 32 << 20;

/// A display as QEMU makes it, and how its interrupts are asked for.
#[derive(Debug)]
pub struct Row {
    /// Its name here and in QEMU.
    pub name: &'static str,
    /// The device in QEMU's words, without its preferred size.
    pub device: &'static str,
    /// Its slot.
    pub slot: u8,
    /// The size that its monitor prefers.
    pub size: (u16, u16),
    /// `best`, or a kind of interrupt.
    pub interrupts: &'static str,
    /// How they come, in the words of a report; nothing without any.
    pub mode: Option<&'static str>,
    /// The module of the kernel's driver.
    pub module: &'static str,
    /// The driver's name in sysfs.
    pub kernel: &'static str,
}

/// A virtio-gpu with these options besides those that an IOMMU wants.
macro_rules! virtio {
    ($options:expr) => {
        concat!("virtio-gpu-pci,disable-legacy=on,iommu_platform=on", $options)
    };
}

/// The first of its family.
pub const BOCHS: Row = Row {
    name: "bochs",
    device: "bochs-display",
    slot: 3,
    size: (1024, 768),
    interrupts: "best",
    mode: None,
    module: "bochs",
    kernel: "bochs-drm",
};
/// The first of its family.
pub const GPU: Row = Row {
    name: "gpu",
    device: virtio!(",max_outputs=2"),
    slot: 5,
    size: (1024, 768),
    interrupts: "best",
    mode: Some("msix"),
    module: "virtio_gpu",
    kernel: "virtio-pci",
};

/// Every row.
pub const ROWS: &[Row] = &[
    BOCHS,
    Row { name: "secondary", device: "secondary-vga", slot: 4, size: (800, 600), ..BOCHS },
    GPU,
    Row { interrupts: "intx", mode: Some("intx"), ..GPU },
    Row { name: "packed", device: virtio!(",packed=on"), slot: 6, size: (800, 600), ..GPU },
    Row {
        name: "no-vectors",
        device: virtio!(",vectors=0"),
        slot: 7,
        size: (640, 480),
        mode: Some("intx"),
        ..GPU
    },
    Row { name: "one-vector", device: virtio!(",vectors=1"), slot: 8, size: (640, 400), ..GPU },
];

impl Row {
    /// Its PCI address.
    pub fn address(&self) -> String {
        format!("0000:00:{:02x}.0", self.slot)
    }

    /// Whether it says by interrupts what happens, and has a cursor.
    pub fn is_virtio(&self) -> bool {
        self.mode.is_some()
    }

    /// Its preferred size, for pixels.
    pub fn pixels(&self) -> (usize, usize) {
        (self.size.0.into(), self.size.1.into())
    }

    /// A `dirql display` command.
    pub fn command(&self, words: &str) -> String {
        match self.interrupts {
            "best" => format!("dirql display {} {words}", self.address()),
            mode => format!("dirql display {} {words} --interrupts {mode}", self.address()),
        }
    }

    /// Starts the probe with these steps, as the user demo.
    pub fn probe(&self, machine: &Machine, steps: &[&str]) -> Result<Probe> {
        let words =
            format!("dirql-lab-probe display {} {} {}", self.address(), self.interrupts, steps.join(" "));
        Ok(Probe { running: machine.command(&words).user("demo").memlock(MEMLOCK).spawn()? })
    }

    fn plug(&self, machine: MachineBuilder) -> MachineBuilder {
        let (width, height) = self.size;
        let (name, device, slot) = (self.name, self.device, self.slot);
        machine.device(&format!("{device},id={name},addr={slot:02x}.0,xres={width},yres={height}"))
    }
}

/// The probe on its way.
pub struct Probe {
    running: Running,
}

impl Probe {
    /// Waits until it stands before this file of `/share`; looks; and lets it go on, or kills it.
    pub fn at(&self, machine: &Machine, file: &str, look: impl FnOnce() -> Result<()>) -> Result<()> {
        let line = format!("at /share/{file}\n");
        self.running.until(PATIENCE, |output| output.text().contains(&line))?;
        if let Err(error) = look() {
            // The next one wants the device.
            self.running.signal(KILL)?;
            return Err(format!("at {file}: {error}").into());
        }
        Ok(fs::write(machine.share().join(file), "")?)
    }

    /// Waits until it has taken the last step, and has nothing to complain of.
    pub fn end(self) -> Result<Output> {
        let output = self.running.wait(PATIENCE)?.ok()?;
        check(output.stderr.is_empty(), || format!("it complains\n{output}"))?;
        Ok(output)
    }
}

/// A machine with the displays of these rows, which belong to the user demo.
pub fn machine(name: &str, rows: &[Row]) -> Result<Machine> {
    let machine = builder(name, rows).boot()?;
    bind(&machine, rows)?;
    Ok(machine)
}

/// The same, not booted yet.
pub fn builder(name: &str, rows: &[Row]) -> MachineBuilder {
    let mut machine = Machine::builder(name);
    let mut plugged = vec![];
    for row in rows {
        if !plugged.contains(&row.name) {
            machine = row.plug(machine);
            plugged.push(row.name);
        }
    }
    machine
}

/// Gives the displays of these rows to the user demo.
pub fn bind(machine: &Guest, rows: &[Row]) -> Result<()> {
    let mut addresses: Vec<String> = rows.iter().map(Row::address).collect();
    addresses.dedup();
    machine.root(&format!("dirql bind {} --owner demo", addresses.join(" ")))?.ok().map(drop)
}

/// Does something with each row; it goes on after one that fails, and tells all that did.
pub fn each(rows: &[Row], mut run: impl FnMut(&Row) -> Result<()>) -> Result<()> {
    let mut failed = Vec::new();
    for row in rows {
        if let Err(error) = run(row) {
            failed.push(format!("{} ({}): {error}", row.name, row.interrupts));
        }
    }
    check(failed.is_empty(), || failed.join("\n\n"))
}
