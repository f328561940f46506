//! What a register is: where, how wide, and what the datasheet calls it.

use std::fmt;
use std::marker::PhantomData;

/// A register of `T`'s width at a byte offset of its BAR.
///
/// ```
/// use dirql::region::Register;
/// const STATUS: Register<u32> = Register::new(0x0008, "STATUS");
/// /// Receive Address Low, one of 16, 8 bytes apart.
/// const RAL: [Register<u32>; 2] = [Register::new(0x5400, "RAL0"), Register::new(0x5408, "RAL1")];
/// assert_eq!(RAL[1].to_string(), "RAL1 (0x5408)");
/// # let _ = STATUS;
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Register<T> {
    pub(crate) offset: u64,
    pub(crate) name: &'static str,
    _width: PhantomData<T>,
}

impl<T> Register<T> {
    /// The register that the datasheet calls `name`.
    pub const fn new(offset: u64, name: &'static str) -> Self {
        Self { offset, name, _width: PhantomData }
    }

    /// Where it is, in bytes from the start of its BAR.
    pub const fn offset(self) -> u64 {
        self.offset
    }

    /// Whether an access at `offset` is one to this register: for models.
    pub const fn is_at(self, offset: u64) -> bool {
        self.offset == offset
    }

    /// The register `bytes` further on, for one of an array: MTA at 4·n, say.
    #[must_use]
    pub const fn at(self, bytes: u64) -> Self {
        Self::new(self.offset + bytes, self.name)
    }
}

impl<T> Clone for Register<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Register<T> {}

impl<T> fmt::Display for Register<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:#06x})", self.name, self.offset)
    }
}

mod sealed {
    pub trait Sealed {}
}

/// What a register can hold: `u8`, `u16`, `u32` or `u64`, little-endian on the bus.
pub trait Value: sealed::Sealed + Copy + fmt::LowerHex {
    /// The value of these bytes, in the bus's order; `bytes` has the value's length.
    #[doc(hidden)]
    fn from_bus(bytes: &[u8]) -> Self;
    /// Hands the value's bytes, in the bus's order, to `f`.
    #[doc(hidden)]
    fn with_bus<R>(self, f: impl FnOnce(&[u8]) -> R) -> R;
    /// From the bus's order to the CPU's, or back.
    #[doc(hidden)]
    fn swap_on_big_endian(self) -> Self;
}

macro_rules! value {
    ($($type:ty),*) => {$(
        impl sealed::Sealed for $type {}
        impl Value for $type {
            #[inline]
            fn from_bus(bytes: &[u8]) -> Self {
                bytes.first_chunk().map_or(Self::MAX, |bytes| Self::from_le_bytes(*bytes))
            }

            #[inline]
            fn with_bus<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
                f(&self.to_le_bytes())
            }

            #[inline]
            fn swap_on_big_endian(self) -> Self {
                self.to_le()
            }
        }
    )*};
}
value!(u8, u16, u32, u64);
