//! What a NIC's cable leads to.

use crate::Result;
use crate::cable;
use crate::offer::Offer;
use crate::pcap::Counter;
use crate::sink::{self, Sink};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// The other end of a NIC's cable. Whatever it is, all frames are in a pcap too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Net {
    /// QEMU's user network: DHCP, and 10.0.2.2 that answers ping.
    User,
    /// A [`Wire`] in the test's hand: one UDP datagram is one frame.
    Wire,
}

/// The test's end of a cable.
pub struct Wire {
    socket: UdpSocket,
    qemu: SocketAddr,
}

impl Wire {
    /// How many frames may be under way.
    pub const AHEAD: usize = 64;

    pub(crate) fn new() -> Result<Wire> {
        let local = (Ipv4Addr::LOCALHOST, 0);
        let socket = UdpSocket::bind(local)?;
        // A port that was free a moment ago is QEMU's.
        let qemu = UdpSocket::bind(local)?.local_addr()?;
        Ok(Wire { socket, qemu })
    }

    pub(crate) fn netdev(&self) -> Result<String> {
        Ok(format!("socket,udp={},localaddr={}", self.socket.local_addr()?, self.qemu))
    }

    /// Sends frames towards the NIC, only so many ahead of what `taken` counts at the other end that neither QEMU's
    /// socket nor a NIC's ring is overrun: then both drop frames, as real ones do. When nothing is taken for longer
    /// than the patience, it is an error.
    pub fn inject<'a>(
        &self,
        frames: impl IntoIterator<Item = &'a Vec<u8>>,
        taken: &mut Counter,
        patience: Duration,
    ) -> Result<()> {
        let before = taken.count()?;
        for (sent, frame) in (1..).zip(frames) {
            self.socket.send_to(frame, self.qemu)?;
            taken
                .wait((before + sent).saturating_sub(Self::AHEAD), patience)
                .map_err(|error| format!("of {sent} frames, some were not taken: {error}"))?;
        }
        Ok(())
    }

    /// Sends a frame towards the NIC, whether anybody takes it or not.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.send_to(frame, self.qemu).map(drop)
    }

    /// Sends a frame towards the NIC again and again, so many in a second, until the offer is stopped or dropped.
    pub fn offer(&self, frame: &[u8], rate: u64) -> Result<Offer> {
        Offer::new(frame, rate, self.qemu)
    }

    pub(crate) fn widen(&self, qemu: u32, bytes: usize) -> Result<()> {
        cable::widen(qemu, self.qemu.port(), bytes)
    }

    /// How many frames were lost on their way to QEMU, because it had not taken those before: a NIC whose ring is full
    /// stops its cable. Counted from anywhere: the difference of two looks is what is meant.
    pub fn lost(&self) -> Result<u64> {
        sink::dropped(self.qemu.port())
    }

    /// Counts what comes from the NIC from now on, instead of receiving it.
    pub fn sink(&self) -> Result<Sink> {
        Sink::new(&self.socket)
    }

    /// Receives one frame from the NIC.
    pub fn receive(&self, timeout: Duration) -> io::Result<Vec<u8>> {
        self.socket.set_read_timeout(Some(timeout))?;
        let mut frame = vec![0; 64 << 10];
        let length = self.socket.recv(&mut frame)?;
        frame.truncate(length);
        Ok(frame)
    }
}
