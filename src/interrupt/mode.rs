//! The kinds of interrupt that a driver can ask for.

use std::fmt;

use crate::backend::IrqIndex;

/// How the device's interrupts arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The legacy line: one vector, masked by the kernel while its handler runs.
    Intx,
    /// Messages, up to 32.
    Msi,
    /// Messages by a table, up to 2048.
    Msix,
}

impl Mode {
    /// Every mode, best first.
    pub const ALL: [Self; 3] = [Self::Msix, Self::Msi, Self::Intx];

    pub(crate) fn irq(self) -> IrqIndex {
        match self {
            Self::Intx => IrqIndex::Intx,
            Self::Msi => IrqIndex::Msi,
            Self::Msix => IrqIndex::Msix,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Intx => "intx",
            Self::Msi => "msi",
            Self::Msix => "msix",
        })
    }
}

impl serde::Serialize for Mode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// MSI-X, else MSI, else INTx: whichever the device has first.
#[derive(Debug, Clone, Copy)]
pub struct Best;

/// None: the device is declared to raise no interrupts. Then [`super::Interrupts::synchronize_at`] still runs routines.
#[derive(Debug, Clone, Copy)]
pub struct NoInterrupts;

/// What a [`Request`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Best,
    Mode(Mode),
    Nothing,
}

/// Which interrupts a driver wants: [`Best`], a [`Mode`], or [`NoInterrupts`], with at most so many vectors.
///
/// ```
/// use dirql::interrupt::{Best, Mode, Request};
/// let _any = Request::from(Best).at_most(3);
/// let _only = Request::from(Mode::Msix);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Request {
    pub(crate) wanted: Wanted,
    pub(crate) at_most: u16,
}

impl Request {
    const fn of(wanted: Wanted) -> Self {
        Self { wanted, at_most: u16::MAX }
    }

    /// Enables no more than `vectors` of them, at least one. Each vector enabled costs the host one of its own.
    #[must_use]
    pub fn at_most(mut self, vectors: u16) -> Self {
        self.at_most = vectors.max(1);
        self
    }
}

impl From<Best> for Request {
    fn from(_: Best) -> Self {
        Self::of(Wanted::Best)
    }
}

impl From<Mode> for Request {
    fn from(mode: Mode) -> Self {
        Self::of(Wanted::Mode(mode))
    }
}

impl From<NoInterrupts> for Request {
    fn from(_: NoInterrupts) -> Self {
        Self::of(Wanted::Nothing)
    }
}

impl<'de> serde::Deserialize<'de> for Mode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let mode = Self::ALL.into_iter().find(|mode| mode.to_string() == word);
        mode.ok_or_else(|| serde::de::Error::unknown_variant(&word, &["intx", "msi", "msix"]))
    }
}
