//! The observer on the cable: classic pcap files, as QEMU's `filter-dump` writes them and `dirql net send` reads them.

use crate::Result;
use etherparse::{Icmpv4Type, SlicedPacket, TransportSlice};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Microseconds, the byte order of this machine.
const MAGIC: u32 = 0xa1b2_c3d4;
/// The link type of Ethernet.
const ETHERNET: u32 = 1;
const FILE_HEADER: usize = 24;
const FRAME_HEADER: usize = 16;

/// All frames of a file that may still be growing: a frame that is not complete yet is left out.
pub fn read(path: &Path) -> Result<Vec<Vec<u8>>> {
    let bytes = fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if word(&bytes, 0) != Some(MAGIC) || word(&bytes, 20) != Some(ETHERNET) {
        return Err(
            format!("{} is no pcap of Ethernet frames in this machine's byte order", path.display()).into()
        );
    }
    let mut frames = Vec::new();
    let mut rest = &bytes[FILE_HEADER..];
    while let (Some(kept), Some(length)) = (word(rest, 8), word(rest, 12)) {
        if kept != length {
            return Err(format!("{} has a frame of {length} bytes cut to {kept}", path.display()).into());
        }
        let Some(frame) = rest.get(FRAME_HEADER..FRAME_HEADER + kept as usize) else { break };
        frames.push(frame.to_owned());
        rest = &rest[FRAME_HEADER + frame.len()..];
    }
    Ok(frames)
}

/// Counts the frames of a growing file, each look going on where the one before ended.
pub struct Counter {
    file: BufReader<File>,
    place: u64,
    count: usize,
    sender: Option<[u8; 6]>,
}

impl Counter {
    /// Counts from the file's start.
    pub fn new(path: &Path) -> Result<Counter> {
        let file = File::open(path).map_err(|error| format!("cannot open {}: {error}", path.display()))?;
        Ok(Counter { file: BufReader::new(file), place: FILE_HEADER as u64, count: 0, sender: None })
    }

    /// Counts only what this MAC address has sent.
    pub fn sent_by(mut self, sender: [u8; 6]) -> Counter {
        self.sender = Some(sender);
        self
    }

    /// How many complete frames there are now.
    pub fn count(&mut self) -> Result<usize> {
        let size = self.file.get_ref().metadata()?.len();
        // What the buffer holds from the last look may be older than what the file holds now.
        self.file.seek(io::SeekFrom::Start(self.place))?;
        let (mut header, mut frame) = ([0; FRAME_HEADER], Vec::new());
        while self.place + FRAME_HEADER as u64 <= size {
            self.file.read_exact(&mut header)?;
            let length = word(&header, 8).unwrap_or(0);
            let next = self.place + FRAME_HEADER as u64 + u64::from(length);
            if next > size {
                break;
            }
            frame.resize(length as usize, 0);
            self.file.read_exact(&mut frame)?;
            self.place = next;
            self.count += usize::from(self.sender.is_none_or(|sender| frame.get(6..12) == Some(&sender[..])));
        }
        Ok(self.count)
    }

    /// Waits until there are so many frames.
    pub fn wait(&mut self, wanted: usize, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while self.count()? < wanted {
            if Instant::now() > deadline {
                return Err(format!("{} frames after {timeout:?}, wanted {wanted}", self.count).into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// Writes frames into a file, each a microsecond after the one before.
pub fn write(path: &Path, frames: &[Vec<u8>]) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    // Version 2.4, two unused words, the longest frame, the link type.
    for word in [MAGIC, 2 | 4 << 16, 0, 0, 65535, ETHERNET] {
        file.write_all(&word.to_ne_bytes())?;
    }
    for (frame, time) in frames.iter().zip(0u32..) {
        let length = u32::try_from(frame.len())?;
        for word in [time / 1_000_000, time % 1_000_000, length, length] {
            file.write_all(&word.to_ne_bytes())?;
        }
        file.write_all(frame)?;
    }
    Ok(file.flush()?)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The pings among the frames: ICMP echo requests and replies by (identifier, sequence number).
#[derive(Debug, Default)]
pub struct Echoes {
    /// The requests.
    pub requests: BTreeSet<(u16, u16)>,
    /// The replies.
    pub replies: BTreeSet<(u16, u16)>,
}

impl Echoes {
    /// Finds the pings. Frames that are something else, or broken, are no pings.
    pub fn of(frames: &[Vec<u8>]) -> Echoes {
        let mut echoes = Echoes::default();
        for frame in frames {
            let Ok(packet) = SlicedPacket::from_ethernet(frame) else { continue };
            let Some(TransportSlice::Icmpv4(icmp)) = packet.transport else { continue };
            if !icmp_checksum_holds(icmp.slice()) {
                continue;
            }
            match icmp.icmp_type() {
                Icmpv4Type::EchoRequest(echo) => echoes.requests.insert((echo.id, echo.seq)),
                Icmpv4Type::EchoReply(echo) => echoes.replies.insert((echo.id, echo.seq)),
                _ => continue,
            };
        }
        echoes
    }

    /// How many requests have their reply.
    pub fn answered(&self) -> usize {
        self.requests.intersection(&self.replies).count()
    }
}

/// The ones' complement sum over an intact ICMP message is all ones.
fn icmp_checksum_holds(message: &[u8]) -> bool {
    let words = message.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    (folded & 0xffff) + (folded >> 16) == 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    fn ping(seq: u16, reply: bool) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 2, 15], [10, 0, 2, 2], 64);
        let builder =
            if reply { builder.icmpv4_echo_reply(9, seq) } else { builder.icmpv4_echo_request(9, seq) };
        let mut frame = Vec::new();
        builder.write(&mut frame, b"abc").unwrap();
        frame
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.pcap");
        let frames = vec![vec![1; 60], vec![], vec![2; 1514]];
        write(&path, &frames).unwrap();
        assert_eq!(read(&path).unwrap(), frames);
        // A file that grows: the last frame is not there yet, and then it is.
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(read(&path).unwrap(), frames[..2]);
        let mut counter = Counter::new(&path).unwrap();
        assert_eq!(counter.count().unwrap(), 2);
        assert!(counter.wait(3, Duration::from_millis(5)).is_err());
        File::options().append(true).open(&path).unwrap().write_all(&bytes[bytes.len() - 1..]).unwrap();
        assert_eq!(counter.count().unwrap(), 3);
    }

    #[test]
    fn pings_are_paired_and_broken_ones_are_not_counted() {
        let mut broken = ping(3, true);
        *broken.last_mut().unwrap() ^= 1;
        let frames = [ping(1, false), ping(1, true), ping(2, false), ping(3, false), broken, vec![0; 60]];
        let echoes = Echoes::of(&frames);
        assert_eq!((echoes.requests.len(), echoes.replies.len(), echoes.answered()), (3, 1, 1));
    }
}
