//! A device that does not do what it was told, without any errno (E15): what can be looked at, in one sentence.

use std::sync::Arc;

use crate::backend::RegionIndex;
use crate::core::{Core, Revoke};
use crate::dma::Dma;
use crate::host::{Host, IommuFault};
use crate::interrupt::VectorStatistics;
use crate::pci::{Command, register};
use crate::synchronize::unpoisoned;
use crate::{Code, Device, Error, ErrorKind};

impl Device {
    /// Adds to the error of a command that the device did not do what tells why: whether it masters the bus, how
    /// often each vector was raised, `rings` (the indices of its rings, or nothing), and the last access that the IOMMU
    /// refused it, by what is mapped. The code is E15.
    pub fn explain_silence(&self, error: Error, rings: &str) -> Error {
        explain(self.core(), &Host::system(), error, rings)
    }
}

impl Dma {
    /// As [`Device::explain_silence`], for those who have no more of the device than its memory.
    pub fn explain_silence(&self, error: Error, rings: &str) -> Error {
        explain(&self.core, &Host::system(), error, rings)
    }
}

pub(crate) fn explain(core: &Core, host: &Host, error: Error, rings: &str) -> Error {
    let error = error.on(core.address()).kind_is(ErrorKind::Device).code(Code::E15);
    let Ok(backend) = core.backend() else { return error };
    let mut command = [0; 2];
    let read = backend.read(RegionIndex::CONFIG, register::COMMAND.into(), &mut command);
    let masters =
        read.is_ok() && Command::from_bits(u16::from_le_bytes(command)).contains(Command::BUS_MASTER);

    let mut seen: Vec<String> = error.cause().map(str::to_string).into_iter().collect();
    seen.push(format!("bus mastering is {}", if masters { "on" } else { "off" }));
    seen.push(interrupts(core));
    seen.extend(Some(rings.to_string()).filter(|rings| !rings.is_empty()));
    let mapped = unpoisoned(&core.pool).mapped();
    let fault = host.last_iommu_fault(core.address());
    seen.push(match &fault {
        Ok(Some(fault)) => {
            format!("the IOMMU refused {fault}, which {}", place(fault, &mapped))
        }
        Ok(None) => "the kernel's log has no refusal of the IOMMU".to_string(),
        Err(errno) => format!("the kernel's log cannot be read ({errno:?})"),
    });
    let fix = match fault {
        _ if !masters => "the driver has to turn bus mastering on: Device::set_bus_master",
        Ok(Some(_)) => "give the device addresses of its own memory alone: Lent::iova, within its DMA mask",
        Ok(None) => "see what interrupts come: dirql irqs; then dirql reset, and start again",
        Err(_) => "sudo dmesg | grep -iE 'dmar|amd-vi'",
    };
    error.why(seen.join("; ")).fix(fix)
}

/// How often each vector was raised.
fn interrupts(core: &Core) -> String {
    let connected: Vec<Arc<dyn Revoke>> = core.revocable();
    let vectors: Vec<VectorStatistics> = connected.iter().flat_map(|vectors| vectors.statistics()).collect();
    if vectors.is_empty() {
        return "no vector is connected".into();
    }
    let counts = vectors
        .iter()
        .map(|vector| format!("{} vector {}: {}", vector.mode.irq(), vector.index, vector.count));
    format!("interrupts of {}", counts.collect::<Vec<_>>().join(", "))
}

/// Where an access lies among the mappings, as first and last address each.
fn place(fault: &IommuFault, mapped: &[(u64, u64)]) -> String {
    let range = |&(first, last): &(u64, u64)| format!("{first:#x}–{last:#x}");
    if let Some(inside) = mapped.iter().find(|(first, last)| (*first..=*last).contains(&fault.iova)) {
        return format!("is mapped by now, in {}", range(inside));
    }
    match mapped {
        [] => "is not mapped: nothing is".into(),
        some => {
            let shown: Vec<String> = some.iter().take(4).map(range).collect();
            let more = if some.len() > 4 { " and more" } else { "" };
            format!("is not mapped: what is mapped is {}{more}", shown.join(", "))
        }
    }
}
