//! From the errno of a refused `VFIO_DEVICE_SET_IRQS` to its cause. What the kernel answers is read in its
//! `drivers/vfio/pci/vfio_pci_intrs.c`.

use nix::errno::Errno;

use super::Host;
use crate::pci::Address;
use crate::{Code, Error, ErrorKind};

/// What was asked of a device's interrupts, and how they were then. Modes have the field's names: `INTx`, `MSI`,
/// `MSI-X`, `ERR`, `REQ`.
#[derive(Debug, Clone, Copy, Default)]
pub struct IrqRequest<'a> {
    /// The mode.
    pub mode: &'a str,
    /// The first vector.
    pub start: u32,
    /// How many vectors; 0 switches the mode off.
    pub count: u32,
    /// How many vectors the function has of this mode, where that is known.
    pub offered: Option<u32>,
    /// The mode that was on, and how many of its vectors.
    pub active: Option<(&'a str, u32)>,
}

impl IrqRequest<'_> {
    fn operation(&self) -> String {
        let Self { mode, start, count, .. } = *self;
        match count {
            0 => format!("switching off of {mode}"),
            1 => format!("set-up of {mode} vector {start}"),
            _ => format!("set-up of {mode} vectors {start} to {}", start.saturating_add(count - 1)),
        }
    }

    fn end(&self) -> u32 {
        self.start.saturating_add(self.count)
    }
}

impl Host {
    /// Why `VFIO_DEVICE_SET_IRQS` was refused.
    pub fn explain_set_irqs(&self, address: Address, errno: Errno, request: &IrqRequest<'_>) -> Error {
        let mode = request.mode;
        let error = Error::os(errno, request.operation()).on(address).code(Code::E11);
        let info = format!("dirql info {address} lists what the device has");
        match errno {
            Errno::EINVAL | Errno::ENOTTY if mode == "ERR" => error
                .kind_is(ErrorKind::Precondition)
                .why("the function reports no errors: only those of PCI Express do")
                .fix("do without the error source"),
            Errno::EINVAL => self.invalid(request, error).unwrap_or_else(|error| {
                error.why(format!("the device is not in the state for it, or has fewer {mode} vectors")).fix(info)
            }),
            Errno::ENOTTY => error
                .why(format!("VFIO cannot mask {mode} vectors: only INTx"))
                .fix("mask the interrupt in the device's own registers"),
            Errno::ENOSPC => error
                .kind_is(ErrorKind::Precondition)
                .why("the machine has no interrupt vector free")
                .fix("ask for fewer vectors, or switch off other devices: cat /proc/interrupts"),
            Errno::EBADF => error
                .why("an eventfd that was handed over is closed")
                .fix("keep each eventfd open until the call has returned"),
            Errno::EBUSY => error
                .why(format!(
                    "the line of {mode} is shared with a driver of the kernel, and the device cannot be masked by its \
                     COMMAND register"
                ))
                .fix("use MSI or MSI-X, or unbind the other device: cat /proc/interrupts"),
            _ => error.why("the kernel could not set them up").fix(info),
        }
    }

    /// The cause of EINVAL, by what the function has and what is on; the error as it was where neither tells.
    fn invalid(&self, request: &IrqRequest<'_>, error: Error) -> Result<Error, Error> {
        let IrqRequest { mode, start, count, offered, active } = *request;
        if offered == Some(0) {
            return Ok(error
                .kind_is(ErrorKind::Precondition)
                .why(format!("the function has no {mode}"))
                .fix("ask for the best mode, or see what there is: dirql info"));
        }
        if mode == "INTx" && count != 0 && (start, count) != (0, 1) {
            return Ok(error.why("INTx is one vector, number 0").fix("ask for one vector"));
        }
        if let Some(offered) = offered.filter(|&offered| request.end() > offered) {
            return Ok(error
                .why(format!("the function has {offered} {mode} vectors"))
                .fix(format!("ask for at most {offered}")));
        }
        match active {
            Some((other, _)) if other != mode => {
                Ok(error.why(format!("{other} is on: only one of INTx, MSI and MSI-X can be")).fix(format!(
                    "switch {other} off first: drop its vectors, and the Interrupts they came from"
                )))
            }
            Some((_, on)) if request.end() > on => Ok(self.cannot_grow(request, on, error)),
            _ => Err(error),
        }
    }

    /// Vectors cannot be added to those that are on.
    fn cannot_grow(&self, request: &IrqRequest<'_>, on: u32, error: Error) -> Error {
        let (mode, kernel) = (request.mode, self.kernel_version());
        let error = error.kind_is(ErrorKind::Precondition).fix(
            "enable all vectors at once, as dirql does by itself; the group interface needs nothing newer",
        );
        if mode == "MSI-X" && !kernel.is_at_least(6, 5) {
            return error
                .why(format!(
                    "{on} MSI-X vectors are on, and this kernel ({kernel}) cannot add to them: that takes 6.5"
                ))
                .code(Code::E14);
        }
        error.why(format!("{on} {mode} vectors are on, and this machine cannot add to them"))
    }

    /// Fewer vectors than were asked for: what a positive return of `VFIO_DEVICE_SET_IRQS` says. None was enabled.
    pub fn explain_fewer_vectors(&self, address: Address, mode: &str, wanted: u32, possible: u32) -> Error {
        Error::new(ErrorKind::Precondition, format!("enabling of {wanted} {mode} vectors"))
            .on(address)
            .why(format!("the machine has {possible} to give; none was enabled"))
            .fix(format!(
                "ask for at most {possible}, or for the best mode, which takes as many as there are"
            ))
            .code(Code::E11)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;
    use super::*;

    #[test]
    fn refusals_of_interrupts_are_told_apart() {
        let machine = Machine::new();
        machine.file("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
        let (host, address) = (machine.host(), "0000:00:03.0".parse().unwrap());
        let on = |mode, count| Some((mode, count));
        for (errno, mode, start, count, offered, active, code, part) in [
            (Errno::EINVAL, "MSI", 0, 9, Some(8), None, Code::E11, "has 8 MSI vectors"),
            (Errno::EINVAL, "MSI", 0, 1, Some(0), None, Code::E11, "has no MSI"),
            (Errno::EINVAL, "INTx", 0, 2, Some(1), None, Code::E11, "INTx is one vector"),
            (Errno::EINVAL, "INTx", 0, 1, Some(1), on("MSI-X", 5), Code::E11, "MSI-X is on"),
            (Errno::EINVAL, "MSI-X", 1, 4, Some(5), on("MSI-X", 1), Code::E14, "(6.1.0-18-amd64) cannot"),
            (Errno::EINVAL, "MSI", 1, 3, Some(4), on("MSI", 1), Code::E11, "1 MSI vectors are on"),
            (Errno::EINVAL, "ERR", 0, 1, Some(0), None, Code::E11, "PCI Express"),
            (Errno::ENOTTY, "ERR", 0, 1, None, None, Code::E11, "PCI Express"),
            (Errno::EINVAL, "MSI", 0, 1, Some(1), None, Code::E11, "state"),
            (Errno::ENOTTY, "MSI", 1, 1, Some(4), on("MSI", 4), Code::E11, "cannot mask"),
            (Errno::ENOSPC, "MSI", 0, 1, Some(1), None, Code::E11, "no interrupt vector free"),
            (Errno::EBADF, "MSI", 0, 1, Some(1), None, Code::E11, "eventfd"),
            (Errno::EBUSY, "INTx", 0, 1, Some(1), None, Code::E11, "shared"),
        ] {
            let request = IrqRequest { mode, start, count, offered, active };
            let error = host.explain_set_irqs(address, errno, &request);
            assert_eq!((error.catalogue_code(), error.raw_errno()), (Some(code), Some(errno)), "{error}");
            assert!(error.cause().unwrap().contains(part) && error.remedy().is_some(), "{part}: {error}");
        }
        machine.file("proc/sys/kernel/osrelease", "6.12.0\n");
        let request =
            IrqRequest { mode: "MSI-X", start: 1, count: 1, offered: Some(5), active: on("MSI-X", 1) };
        let error = host.explain_set_irqs(address, Errno::EINVAL, &request);
        assert_eq!(error.catalogue_code(), Some(Code::E11), "{error}");
        let fewer = host.explain_fewer_vectors(address, "MSI", 8, 1);
        assert!(fewer.cause().unwrap().contains("has 1 to give"), "{fewer}");
    }
}
