//! What a NIC's cable leads to.

use crate::{Result, pcap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
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
    pcap: PathBuf,
}

impl Wire {
    pub(crate) fn new(pcap: &Path) -> Result<Wire> {
        let local = (Ipv4Addr::LOCALHOST, 0);
        let socket = UdpSocket::bind(local)?;
        // A port that was free a moment ago is QEMU's.
        let qemu = UdpSocket::bind(local)?.local_addr()?;
        Ok(Wire { socket, qemu, pcap: pcap.to_owned() })
    }

    pub(crate) fn netdev(&self) -> Result<String> {
        Ok(format!("socket,udp={},localaddr={}", self.socket.local_addr()?, self.qemu))
    }

    /// Sends frames towards the NIC, as fast as QEMU takes them: the pcap says how many it has. QEMU takes none while
    /// the NIC cannot receive; when that lasts longer than the patience, it is an error.
    pub fn inject<'a>(
        &self,
        frames: impl IntoIterator<Item = &'a Vec<u8>>,
        patience: Duration,
    ) -> Result<()> {
        /// What certainly fits into the socket's buffer.
        const UNDERWAY: usize = 32;
        let mut counter = pcap::Counter::new(&self.pcap)?;
        let before = counter.count()?;
        for (sent, frame) in (1..).zip(frames) {
            self.socket.send_to(frame, self.qemu)?;
            counter
                .wait((before + sent).saturating_sub(UNDERWAY), patience)
                .map_err(|error| format!("QEMU takes no more frames after {sent}: {error}"))?;
        }
        Ok(())
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
