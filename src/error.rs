//! The one error of the library: what was attempted, on which device, what the kernel answered, and why.

use std::fmt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::pci::Address;

/// What `dirql` returns wherever something can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure this is, as far as a caller would act differently on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Anything without a kind of its own.
    Failure,
    /// An argument is out of range or malformed.
    InvalidArgument,
    /// The machine is not in the state that the operation needs.
    Precondition,
    /// The caller lacks a right.
    Permission,
    /// Somebody else holds what is wanted.
    Busy,
    /// There is no such device, group, file or driver.
    NotFound,
    /// The device misbehaved or did not answer in time.
    Device,
}

impl ErrorKind {
    /// The exit code of the command for this kind: 1 to 7, as in `docs/errors.md`.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::InvalidArgument => 2,
            Self::Precondition => 3,
            Self::Permission => 4,
            Self::Busy => 5,
            Self::NotFound => 6,
            Self::Device => 7,
        }
    }

    /// The kind that an errno suggests when nothing else is known.
    pub const fn of(errno: Errno) -> Self {
        match errno {
            Errno::EACCES | Errno::EPERM => Self::Permission,
            Errno::EBUSY => Self::Busy,
            Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => Self::NotFound,
            Errno::EINVAL | Errno::ERANGE => Self::InvalidArgument,
            Errno::EIO | Errno::ETIMEDOUT => Self::Device,
            _ => Self::Failure,
        }
    }
}

/// A cause in the catalogue `docs/errors.md`, which `dirql explain` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// No permission to open a VFIO node.
    E1 = 1,
    /// A VFIO node does not exist.
    E2,
    /// The kernel refuses to bind the device to vfio-pci.
    E3,
    /// The IOMMU group is not viable.
    E4,
    /// No interrupt remapping, or the group belongs to another process.
    E5,
    /// A group without an IOMMU.
    E6,
    /// Somebody holds the group.
    E7,
    /// The container refuses.
    E8,
    /// Mapping DMA memory exceeds the memlock limit.
    E9,
    /// Another refusal to map DMA memory.
    E10,
    /// The kernel refuses to set up interrupts.
    E11,
    /// A BAR cannot be accessed.
    E12,
    /// Unbinding waits for a holder.
    E13,
    /// The kernel is too old for the operation.
    E14,
    /// The device's DMA or command had no effect.
    E15,
}

impl Code {
    /// Every code, in order.
    pub const ALL: [Self; 15] = [
        Self::E1,
        Self::E2,
        Self::E3,
        Self::E4,
        Self::E5,
        Self::E6,
        Self::E7,
        Self::E8,
        Self::E9,
        Self::E10,
        Self::E11,
        Self::E12,
        Self::E13,
        Self::E14,
        Self::E15,
    ];
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E{}", *self as u8)
    }
}

impl std::str::FromStr for Code {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wanted = text.trim();
        let is = |code: &Self| {
            let code = code.to_string();
            code.eq_ignore_ascii_case(wanted) || &code[1..] == wanted
        };
        Self::ALL.into_iter().find(is).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("look-up of error code {text:?}"))
                .why("the catalogue holds E1 to E15")
        })
    }
}

/// A failed operation with everything that is known of it.
///
/// `Display` gives the whole message, in the shape of `docs/errors.md`:
///
/// ```
/// use dirql::{Error, ErrorKind, Code};
/// let error = Error::new(ErrorKind::Busy, "open of the IOMMU group")
///     .on("0000:00:03.0".parse().unwrap())
///     .errno(nix::errno::Errno::EBUSY)
///     .why("process 812 (dirql) holds it")
///     .code(Code::E7);
/// assert_eq!(
///     error.to_string(),
///     "open of the IOMMU group for 0000:00:03.0 failed: EBUSY (Device or resource busy)\n  \
///      why: process 812 (dirql) holds it\n  see: dirql explain E7"
/// );
/// ```
#[derive(Clone)]
pub struct Error(Box<Details>);

#[derive(Clone)]
struct Details {
    kind: ErrorKind,
    operation: String,
    device: Option<Address>,
    path: Option<PathBuf>,
    errno: Option<Errno>,
    iova: Option<u64>,
    length: Option<u64>,
    why: Option<String>,
    fix: Option<String>,
    code: Option<Code>,
}

impl Error {
    /// A failure of `operation`, a noun phrase that reads well before "failed": "open of the IOMMU group".
    #[cold]
    pub fn new(kind: ErrorKind, operation: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind,
            operation: operation.into(),
            device: None,
            path: None,
            errno: None,
            iova: None,
            length: None,
            why: None,
            fix: None,
            code: None,
        }))
    }

    /// A failure that the kernel reported; the kind follows from the errno.
    #[cold]
    pub fn os(errno: Errno, operation: impl Into<String>) -> Self {
        Self::new(ErrorKind::of(errno), operation).errno(errno)
    }

    /// A failure that `std` reported; keeps its errno where there is one, its words otherwise.
    #[cold]
    pub fn io(error: &std::io::Error, operation: impl Into<String>) -> Self {
        match error.raw_os_error() {
            Some(raw) => Self::os(Errno::from_raw(raw), operation),
            None => Self::new(ErrorKind::Failure, operation).why(error.to_string()),
        }
    }

    /// Names the device.
    #[must_use]
    pub fn on(mut self, device: Address) -> Self {
        self.0.device = Some(device);
        self
    }

    /// Names the file.
    #[must_use]
    pub fn path(mut self, path: impl AsRef<Path>) -> Self {
        self.0.path = Some(path.as_ref().to_path_buf());
        self
    }

    /// Keeps the kernel's errno.
    #[must_use]
    pub fn errno(mut self, errno: Errno) -> Self {
        self.0.errno = Some(errno);
        self
    }

    /// Names the range of I/O virtual addresses, in bytes.
    #[must_use]
    pub fn range(mut self, iova: u64, length: u64) -> Self {
        self.0.iova = Some(iova);
        self.0.length = Some(length);
        self
    }

    /// The cause, as far as it was found.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.0.why = Some(why.into());
        self
    }

    /// A command to paste, or the setting to change.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.0.fix = Some(fix.into());
        self
    }

    /// The entry in the catalogue.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.0.code = Some(code);
        self
    }

    /// Replaces the kind, where the cause is better known than the errno.
    #[must_use]
    pub fn kind_is(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The kernel's errno, where the kernel refused.
    pub fn raw_errno(&self) -> Option<Errno> {
        self.0.errno
    }

    /// Whether the device is gone: it does not answer any more, or the host has it back.
    pub fn is_gone(&self) -> bool {
        self.0.kind == ErrorKind::Device && self.0.errno == Some(Errno::ENODEV)
    }

    /// The entry in the catalogue, where there is one.
    pub fn catalogue_code(&self) -> Option<Code> {
        self.0.code
    }

    /// The cause, as far as it was found.
    pub fn cause(&self) -> Option<&str> {
        self.0.why.as_deref()
    }

    /// A command to paste, or the setting to change.
    pub fn remedy(&self) -> Option<&str> {
        self.0.fix.as_deref()
    }

    /// The error as fields, for `--json`.
    pub fn to_json(&self) -> serde_json::Value {
        let d = &*self.0;
        serde_json::json!({
            "error": {
                "operation": d.operation,
                "device": d.device.map(|device| device.to_string()),
                "path": d.path.as_ref().map(|path| path.display().to_string()),
                "errno": d.errno.map(|errno| format!("{errno:?}")),
                "iova": d.iova,
                "length": d.length,
                "why": d.why,
                "fix": d.fix,
                "code": d.code.map(|code| code.to_string()),
                "exit_code": d.kind.exit_code(),
            }
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = &*self.0;
        f.write_str(&d.operation)?;
        if let Some(device) = d.device {
            write!(f, " for {device}")?;
        }
        f.write_str(" failed")?;
        if let Some(errno) = d.errno {
            write!(f, ": {errno:?} ({})", errno.desc())?;
        }
        if let Some(path) = &d.path {
            write!(f, "\n  path: {}", path.display())?;
        }
        if let (Some(iova), Some(length)) = (d.iova, d.length) {
            write!(f, "\n  range: IOVA {iova:#x}, {length:#x} bytes")?;
        }
        if let Some(why) = &d.why {
            write!(f, "\n  why: {why}")?;
        }
        if let Some(fix) = &d.fix {
            write!(f, "\n  fix: {fix}")?;
        }
        if let Some(code) = d.code {
            write!(f, "\n  see: dirql explain {code}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_has_the_catalogue_shape() {
        let error = Error::os(Errno::EACCES, "open of the IOMMU group")
            .on("0000:00:03.0".parse().unwrap())
            .path("/dev/vfio/7")
            .why("the node belongs to root")
            .fix("sudo dirql bind 0000:00:03.0 --owner $USER")
            .code(Code::E1);
        assert_eq!(error.kind().exit_code(), 4);
        assert_eq!(
            error.to_string(),
            "open of the IOMMU group for 0000:00:03.0 failed: EACCES (Permission denied)\n  \
             path: /dev/vfio/7\n  why: the node belongs to root\n  \
             fix: sudo dirql bind 0000:00:03.0 --owner $USER\n  see: dirql explain E1"
        );
    }

    #[test]
    fn codes_parse_as_they_print() {
        for code in Code::ALL {
            assert_eq!(code.to_string().parse::<Code>().unwrap(), code);
        }
        assert!("E16".parse::<Code>().is_err());
        assert!("".parse::<Code>().is_err());
    }
}
