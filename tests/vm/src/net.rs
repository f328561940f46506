//! What a NIC's cable leads to.

use crate::{Result, pcap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

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

    /// Sends frames towards the NIC, as fast as QEMU takes them: the pcap says how many it has.
    pub fn inject(&self, frames: &[Vec<u8>], timeout: Duration) -> Result<()> {
        /// What certainly fits into the socket's buffer.
        const UNDERWAY: usize = 32;
        let deadline = Instant::now() + timeout;
        let before = pcap::count(&self.pcap)?;
        for (sent, frame) in frames.iter().enumerate() {
            self.socket.send_to(frame, self.qemu)?;
            while sent + 1 - (pcap::count(&self.pcap)? - before).min(sent + 1) >= UNDERWAY {
                if Instant::now() > deadline {
                    return Err(format!("QEMU takes no more frames after {sent}").into());
                }
                thread::sleep(Duration::from_millis(1));
            }
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
