//! What the capabilities say, decoded into names and values: one description for whoever prints it.

mod access;
mod errors;
mod express;
mod power;
mod registers;
mod resize;
mod standard;

use self::registers::Registers;
use super::{Capability, ConfigSpace, ExtendedCapability};

/// A value of a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// A bit with a meaning of its own.
    Flag(bool),
    /// A number.
    Number(u64),
    /// An address, an identifier or a mask: read in hexadecimal.
    Hex(u64),
    /// A size in bytes.
    Bytes(u64),
    /// Words.
    Text(String),
    /// The names of the bits that are set.
    Set(Vec<&'static str>),
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name, with underscores: a stable key.
    pub name: &'static str,
    /// Its value.
    pub value: FieldValue,
}

/// Fields that belong together: a register, mostly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name, with underscores; empty for what the capability says of itself.
    pub name: String,
    /// What it says.
    pub fields: Vec<Field>,
}

/// A capability, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// What it says; nothing where its layout is not known here.
    pub parts: Vec<Part>,
    /// Whether it reaches beyond what could be read, so that something is missing.
    pub is_truncated: bool,
}

/// What a decoder fills. It ends with `None` at the first register that cannot be read.
type Decoder = fn(&Registers<'_>, &mut Vec<Part>) -> Option<()>;

impl ConfigSpace {
    /// What a capability of the first list says.
    ///
    /// ```
    /// # use dirql::pci::{ConfigSpace, FieldValue};
    /// let mut bytes = vec![0; 256];
    /// bytes[0x06] = 0x10;
    /// bytes[0x34] = 0x40;
    /// bytes[0x40..0x46].copy_from_slice(&[0x01, 0, 0x03, 0, 0x03, 0]);
    /// let config = ConfigSpace::new(bytes).unwrap();
    /// let power = config.capabilities().next().unwrap();
    /// let decoded = config.decode(power);
    /// assert_eq!(decoded.parts[0].fields[0].value, FieldValue::Text("D3hot".into()));
    /// ```
    pub fn decode(&self, capability: Capability) -> Decoded {
        let decoder: Option<Decoder> = match capability.id {
            0x01 => Some(power::management),
            0x03 => Some(standard::vital_product_data),
            0x04 => Some(standard::slot_identification),
            0x05 => Some(standard::msi),
            0x07 => Some(standard::pci_x),
            0x08 => Some(standard::hypertransport),
            0x09 => Some(standard::vendor_specific),
            0x0a => Some(standard::debug_port),
            0x0d => Some(standard::bridge_subsystem),
            0x10 => Some(express::express),
            0x11 => Some(standard::msix),
            0x12 => Some(standard::sata),
            0x13 => Some(standard::advanced_features),
            0x14 => Some(resize::enhanced_allocation),
            _ => None,
        };
        self.run(decoder, capability.offset)
    }

    /// What a capability of the extended list says.
    pub fn decode_extended(&self, capability: ExtendedCapability) -> Decoded {
        let decoder: Option<Decoder> = match capability.id {
            0x0001 => Some(errors::advanced_error_reporting),
            0x0002 | 0x0008 | 0x0009 => Some(standard::virtual_channel),
            0x0003 => Some(standard::serial_number),
            0x0004 => Some(power::budgeting),
            0x0007 => Some(errors::event_collector),
            0x000b => Some(standard::vendor_specific_extended),
            0x000d => Some(access::access_control),
            0x000e => Some(access::alternative_routing),
            0x000f => Some(access::address_translation),
            0x0010 => Some(access::single_root_virtualization),
            0x0013 => Some(access::page_requests),
            0x0015 | 0x0024 => Some(resize::resizable_bars),
            0x0017 => Some(access::processing_hints),
            0x0018 => Some(power::latency_tolerance),
            0x0019 => Some(errors::secondary),
            0x001b => Some(access::address_spaces),
            0x001d => Some(errors::downstream_containment),
            0x001e => Some(power::l1_substates),
            0x001f => Some(standard::precision_time),
            0x0023 => Some(standard::designated_vendor_specific),
            0x0025 => Some(express::data_link_feature),
            0x002e => Some(standard::data_object_exchange),
            _ => None,
        };
        self.run(decoder, capability.offset)
    }

    fn run(&self, decoder: Option<Decoder>, offset: u16) -> Decoded {
        let mut parts = Vec::new();
        let registers = Registers::new(self, offset);
        let is_truncated = decoder.is_some_and(|decoder| decoder(&registers, &mut parts).is_none());
        // One whose first register cannot be read says nothing.
        parts.retain(|part| !part.fields.is_empty());
        Decoded { parts, is_truncated }
    }

    /// The `len` bytes from `offset` on, as many as there are: of a capability whose layout is not known.
    pub fn bytes_at(&self, offset: u16, len: usize) -> &[u8] {
        let from = self.as_bytes().get(usize::from(offset)..).unwrap_or_default();
        &from[..len.min(from.len())]
    }
}

#[cfg(test)]
mod tests;
