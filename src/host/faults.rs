//! What the kernel's log says of accesses that an IOMMU refused.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind as IoKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use nix::errno::Errno;

use super::{Host, files};
use crate::pci::Address;

/// How many records are looked at, so that a log that grows all the time is left in the end.
const RECORDS: usize = 1 << 16;

/// An access of a device that the IOMMU refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IommuFault {
    /// The function that the IOMMU took it from: behind a bridge to conventional PCI, the bridge's.
    pub requester: Address,
    /// The IOVA that the device wanted to reach.
    pub iova: u64,
    /// Whether it wanted to write.
    pub is_write: bool,
    /// What the kernel says of the reason; empty where it says nothing.
    pub reason: String,
    /// How long ago it was.
    pub age: Option<Duration>,
}

impl fmt::Display for IommuFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_write { "write" } else { "read" };
        write!(f, "a {what} at IOVA {:#x} by {}", self.iova, self.requester)?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        self.age.map_or(Ok(()), |age| write!(f, ", {} s ago", age.as_secs()))
    }
}

impl IommuFault {
    /// Reads a line of the log, in the words of Intel's or AMD's driver.
    fn parse(line: &str) -> Option<Self> {
        if line.contains("DMAR:") {
            let requester = function(between(line, "Request device [", "]")?)?;
            let iova = hexadecimal(line.split_once("fault addr ")?.1)?;
            let reason = line.split_once("[fault reason ").and_then(|(_, rest)| rest.split_once("] "));
            let reason = reason.map(|(_, reason)| reason.trim().to_string()).unwrap_or_default();
            return Some(Self { requester, iova, is_write: line.contains("[DMA Write"), reason, age: None });
        }
        let fault = line.split_once("AMD-Vi: Event logged [IO_PAGE_FAULT")?;
        let requester = match fault.1.split_once("device=") {
            Some((_, rest)) => function(rest.split_whitespace().next()?)?,
            None => fault.0.split_whitespace().rev().find_map(|word| function(word.trim_end_matches(':')))?,
        };
        let iova = hexadecimal(fault.1.split_once("address=")?.1)?;
        let flags = hexadecimal(fault.1.split_once("flags=")?.1)?;
        Some(Self { requester, iova, is_write: flags & 0x20 != 0, reason: String::new(), age: None })
    }
}

impl Host {
    /// The latest access of a function that an IOMMU refused, as far as the kernel's log goes back; `None` where it has
    /// none. The log is rate-limited: it has the first, not all.
    ///
    /// # Errors
    /// EPERM where only root may read the log (`kernel.dmesg_restrict`), or what else the kernel says.
    pub fn last_iommu_fault(&self, address: Address) -> Result<Option<IommuFault>, Errno> {
        // A bridge to conventional PCI speaks for what is behind it, as function 0 of device 0.
        let alias = Address::new(address.domain(), address.bus(), 0, 0).unwrap_or(address);
        let text = self.kernel_log()?;
        let fault = text.lines().rev().find_map(|record| {
            let (head, line) = record.split_once(';').unwrap_or(("", record));
            let fault =
                IommuFault::parse(line).filter(|fault| [address, alias].contains(&fault.requester))?;
            Some(IommuFault { age: self.age_of(head), ..fault })
        });
        Ok(fault)
    }

    /// How long ago a record was logged, by its head: priority, number, microseconds since the boot, flags.
    fn age_of(&self, head: &str) -> Option<Duration> {
        let logged = Duration::from_micros(head.split(',').nth(2)?.parse().ok()?);
        let uptime: f64 = files::text(self.proc.join("uptime"))?.split_whitespace().next()?.parse().ok()?;
        Duration::try_from_secs_f64(uptime).ok()?.checked_sub(logged)
    }

    /// The kernel's log, a record a line. Each read gives one record.
    fn kernel_log(&self) -> Result<String, Errno> {
        let errno = |error: &std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        let open = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(self.dev.join("kmsg"));
        let mut log: File = open.map_err(|error| errno(&error))?;
        let (mut text, mut record) = (String::new(), [0; 8192]);
        for _ in 0..RECORDS {
            match log.read(&mut record) {
                Ok(0) => break,
                Ok(count) => text.push_str(&String::from_utf8_lossy(&record[..count])),
                Err(error) if error.kind() == IoKind::WouldBlock => break,
                // Overwritten before it was read: the next read goes on behind it.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(error) => return Err(errno(&error)),
            }
        }
        Ok(text)
    }
}

fn between<'a>(line: &'a str, start: &str, end: &str) -> Option<&'a str> {
    line.split_once(start)?.1.split_once(end).map(|(inside, _)| inside)
}

fn function(text: &str) -> Option<Address> {
    text.parse().ok()
}

/// The hexadecimal number that a text begins with, with or without 0x.
fn hexadecimal(text: &str) -> Option<u64> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    u64::from_str_radix(&text[..end], 16).ok()
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;
    use super::*;

    const LOG: &str = "\
        6,900,1000000,-;DMAR: IOMMU enabled\n\
        3,901,2000000,-;DMAR: [DMA Read NO_PASID] Request device [00:04.0] fault addr 0x100000 [fault reason 0x06] PTE Read access is not set\n\
        3,902,3000000,-;DMAR: [DMA Write NO_PASID] Request device [00:04.0] fault addr 0x7fff000 [fault reason 0x05] PTE Write access is not set\n\
        3,903,4000000,-;DMAR: [DMA Write] Request device [05:00.0] PASID ffffffff fault addr ffffe000 [fault reason 05] PTE Write access is not set\n\
        3,904,5000000,-;vfio-pci 0000:06:00.1: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000a address=0xfe000 flags=0x0020]\n\
        3,905,6000000,-;AMD-Vi: Event logged [IO_PAGE_FAULT device=07:00.0 domain=0x0000 address=0x1000 flags=0x0000]\n\
        3,906,7000000,-;DMAR: [DMA Read NO_PASID] Request device [zz] fault addr\n";

    #[test]
    fn the_latest_fault_of_a_function_is_found() {
        let machine = Machine::new();
        let host = machine.host();
        assert_eq!(host.last_iommu_fault("00:04.0".parse().unwrap()), Err(Errno::ENOENT));
        machine.file("dev/kmsg", LOG);
        machine.file("proc/uptime", "10.50 3.2\n");
        let fault = |address: &str| {
            let fault = host.last_iommu_fault(address.parse().unwrap()).unwrap();
            fault.map(|fault| fault.to_string())
        };
        let write = "a write at IOVA 0x7fff000 by 0000:00:04.0 (PTE Write access is not set), 7 s ago";
        assert_eq!(fault("00:04.0").as_deref(), Some(write));
        // What is behind a bridge to conventional PCI.
        assert!(fault("05:02.0").unwrap().contains("0xffffe000 by 0000:05:00.0"));
        assert_eq!(fault("06:00.1").as_deref(), Some("a write at IOVA 0xfe000 by 0000:06:00.1, 5 s ago"));
        assert_eq!(fault("07:00.0").as_deref(), Some("a read at IOVA 0x1000 by 0000:07:00.0, 4 s ago"));
        assert_eq!(fault("00:09.0"), None);
    }
}
