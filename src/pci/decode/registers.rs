//! The registers of one capability, and the words that decoders are written in.

use super::{ConfigSpace, Field, FieldValue, Part};

/// The registers of a capability, by their offsets in it; `None` for what could not be read.
pub struct Registers<'a> {
    config: &'a ConfigSpace,
    offset: u16,
}

impl<'a> Registers<'a> {
    pub fn new(config: &'a ConfigSpace, offset: u16) -> Self {
        Self { config, offset }
    }

    pub fn config(&self) -> &'a ConfigSpace {
        self.config
    }

    pub fn u8(&self, at: u16) -> Option<u8> {
        self.config.read_u8(self.offset.checked_add(at)?)
    }

    pub fn u16(&self, at: u16) -> Option<u16> {
        self.config.read_u16(self.offset.checked_add(at)?)
    }

    pub fn u32(&self, at: u16) -> Option<u32> {
        self.config.read_u32(self.offset.checked_add(at)?)
    }

    /// Two registers of 32 bits, the low one first.
    pub fn u64(&self, at: u16) -> Option<u64> {
        Some(u64::from(self.u32(at)?) | u64::from(self.u32(at.checked_add(4)?)?) << 32)
    }

    /// `len` bytes as hexadecimal digits, as many of them as can be read.
    pub fn dump(&self, at: u16, len: usize) -> String {
        let bytes = self.offset.checked_add(at).map_or(&[][..], |offset| self.config.bytes_at(offset, len));
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
    }
}

/// Begins a part; its fields are added one by one.
pub fn part(parts: &mut Vec<Part>, name: impl Into<String>) -> &mut Part {
    parts.push(Part { name: name.into(), fields: Vec::new() });
    let last = parts.len() - 1;
    &mut parts[last]
}

impl Part {
    fn add(&mut self, name: &'static str, value: FieldValue) -> &mut Self {
        self.fields.push(Field { name, value });
        self
    }

    pub(super) fn flag(&mut self, name: &'static str, on: bool) -> &mut Self {
        self.add(name, FieldValue::Flag(on))
    }

    pub(super) fn number(&mut self, name: &'static str, value: impl Into<u64>) -> &mut Self {
        self.add(name, FieldValue::Number(value.into()))
    }

    pub(super) fn hex(&mut self, name: &'static str, value: impl Into<u64>) -> &mut Self {
        self.add(name, FieldValue::Hex(value.into()))
    }

    pub(super) fn bytes(&mut self, name: &'static str, value: impl Into<u64>) -> &mut Self {
        self.add(name, FieldValue::Bytes(value.into()))
    }

    pub(super) fn text(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.add(name, FieldValue::Text(value.into()))
    }

    /// The names of the bits of `value` that are set, of those that have one.
    pub(super) fn set(
        &mut self,
        name: &'static str,
        value: impl Into<u64>,
        bits: &[(u32, &'static str)],
    ) -> &mut Self {
        self.add(name, FieldValue::Set(super::super::bits::names(value, bits)))
    }
}

/// Whether a bit is set.
pub fn bit(value: impl Into<u64>, bit: u32) -> bool {
    value.into() & 1 << bit != 0
}

/// The bits from `low` on, so many of them.
pub fn bits(value: impl Into<u64>, low: u32, count: u32) -> u64 {
    value.into() >> low & ((1 << count) - 1)
}
