//! The network device's configuration.
//!
//! Source: VIRTIO 1.2, 5.1.4.

use std::hash::{BuildHasher as _, RandomState};

use dirql::Result;
use dirql::class::net::Mac;
use dirql::region::Register;

use super::features::{MAC, MQ, MTU_ADVICE, SPEED_DUPLEX, STATUS};
use crate::transport::Transport;

const MAC_ADDRESS: Register<u8> = Register::new(0, "mac");
const LINK_STATUS: Register<u16> = Register::new(6, "status");
const MAX_VIRTQUEUE_PAIRS: Register<u16> = Register::new(8, "max_virtqueue_pairs");
const MTU: Register<u16> = Register::new(10, "mtu");
const SPEED: Register<u32> = Register::new(12, "speed");
const DUPLEX: Register<u8> = Register::new(16, "duplex");

/// status: the link is up.
const LINK_UP: u16 = 1;
/// What a device without an MTU of its own may be sent.
const LONGEST: u32 = 65535;

/// What does not change while the device runs.
#[derive(Debug, Clone, Copy)]
pub struct DeviceFacts {
    /// Its address, or one that was made up for it.
    pub mac: Mac,
    /// How many pairs of queues there are.
    pub pairs: u16,
    /// Its longest payload.
    pub mtu: u32,
}

impl DeviceFacts {
    /// Reads them, as far as the features have it.
    ///
    /// # Errors
    /// As [`Transport::config`].
    pub fn read(transport: &Transport) -> Result<Self> {
        let features = transport.features();
        let mut facts = Self { mac: local(), pairs: 1, mtu: LONGEST };
        transport.config(|config| {
            if features.contains(MAC) {
                for (byte, at) in facts.mac.0.iter_mut().zip(0..) {
                    *byte = config.read(MAC_ADDRESS.at(at))?;
                }
            }
            if features.contains(MQ) {
                facts.pairs = config.read(MAX_VIRTQUEUE_PAIRS)?.max(1);
            }
            if features.contains(MTU_ADVICE) {
                facts.mtu = config.read(MTU)?.into();
            }
            Ok(())
        })?;
        Ok(facts)
    }
}

/// An address for a device that has none: any, of those that are given out locally.
fn local() -> Mac {
    let [a, b, c, d, e, ..] = RandomState::new().hash_one(0).to_le_bytes();
    Mac([0x02, a, b, c, d, e])
}

/// The link as the device has it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cable {
    /// There is one.
    pub up: bool,
    /// In Mbit/s; 0 where the device does not say.
    pub speed: u32,
    /// Both ways at once.
    pub full_duplex: bool,
}

impl Cable {
    /// Reads it. A device that does not say has one.
    ///
    /// # Errors
    /// As [`Transport::config`].
    pub fn read(transport: &Transport) -> Result<Self> {
        let features = transport.features();
        let mut cable = Self { up: true, speed: 0, full_duplex: true };
        if !features.contains(STATUS) {
            return Ok(cable);
        }
        transport.config(|config| {
            cable.up = config.read(LINK_STATUS)? & LINK_UP != 0;
            if features.contains(SPEED_DUPLEX) {
                // Whatever is no speed stands for none that is known.
                cable.speed =
                    Some(config.read(SPEED)?).filter(|&speed| speed <= i32::MAX as u32).unwrap_or(0);
                cable.full_duplex = config.read(DUPLEX)? != 0;
            }
            Ok(cable)
        })
    }
}
