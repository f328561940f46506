//! Captures in the classic pcap format, read whole and written as frames come.
//!
//! The one stable crate for it refuses captures that were made with a short snapshot length, and this is all of the
//! format. Source: the Internet-Draft "PCAP Capture File Format" (draft-ietf-opsawg-pcap).

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use dirql::{Error, ErrorKind, Result};

/// The first four bytes, where times are in microseconds.
const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
/// The first four bytes, where times are in nanoseconds.
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
/// The first four bytes of the successor format.
const MAGIC_PCAPNG: u32 = 0x0a0d_0d0a;
/// LINKTYPE_ETHERNET.
const ETHERNET: u32 = 1;
/// The longest frame that a capture of ours could hold.
const SNAPSHOT_LENGTH: u32 = 65535;
/// Bytes at the beginning of a file.
const FILE_HEADER: usize = 24;
/// Bytes before each frame.
const FRAME_HEADER: usize = 16;

/// A capture in memory.
#[derive(Debug)]
pub struct Capture {
    bytes: Vec<u8>,
    frames: Vec<Range<usize>>,
}

impl Capture {
    /// Reads a file; `-` is stdin.
    ///
    /// # Errors
    /// `NotFound` and its kin where it cannot be read, `InvalidArgument` where it is no capture of whole Ethernet
    /// frames.
    pub fn open(path: &Path) -> Result<Self> {
        let read = if path == Path::new("-") {
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut io::stdin().lock(), &mut bytes).map(|_| bytes)
        } else {
            std::fs::read(path)
        };
        let bytes = read.map_err(|error| Error::io(&error, "reading of the capture").path(path))?;
        Self::parse(bytes).map_err(|error| error.path(path))
    }

    /// Takes a capture apart.
    pub fn parse(bytes: Vec<u8>) -> Result<Self> {
        let Some(header) = bytes.first_chunk::<FILE_HEADER>() else {
            return Err(malformed(format!("{} bytes do not hold the header of a pcap file", bytes.len())));
        };
        let little = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let swapped = match little {
            MAGIC_MICROSECONDS | MAGIC_NANOSECONDS => false,
            MAGIC_PCAPNG => {
                return Err(malformed("it is a pcapng file, and only classic pcap is read".into())
                    .fix("editcap -F pcap FILE.pcapng FILE.pcap"));
            }
            _ if matches!(little.swap_bytes(), MAGIC_MICROSECONDS | MAGIC_NANOSECONDS) => true,
            _ => return Err(malformed("it does not begin like a pcap file".into())),
        };
        let word = |at: usize| -> Option<u32> {
            let word = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
            Some(if swapped { word.swap_bytes() } else { word })
        };
        let link = word(20).unwrap_or(0);
        if link != ETHERNET {
            return Err(malformed(format!("its frames have link type {link}, not {ETHERNET}: Ethernet")));
        }
        let mut frames = Vec::new();
        let mut at = FILE_HEADER;
        while at < bytes.len() {
            let number = frames.len() + 1;
            let cut = || malformed(format!("it ends within frame {number}"));
            let (length, whole) = word(at + 8).zip(word(at + 12)).ok_or_else(cut)?;
            if length != whole {
                return Err(malformed(format!("it holds {length} of the {whole} bytes of frame {number}"))
                    .fix("capture whole frames: tcpdump -s 0"));
            }
            let start = at + FRAME_HEADER;
            // A length that does not fit an address does not fit the file either.
            let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
            at = end.filter(|&end| end <= bytes.len()).ok_or_else(cut)?;
            frames.push(start..at);
        }
        Ok(Self { bytes, frames })
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Frame `index`, counted from 0.
    pub fn frame(&self, index: usize) -> Option<&[u8]> {
        self.bytes.get(self.frames.get(index)?.clone())
    }

    /// The frames in their order.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.frames.iter().filter_map(|range| self.bytes.get(range.clone()))
    }
}

fn malformed(why: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, "reading of the capture").why(why)
}

/// Writes a capture.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(mut to: W) -> io::Result<Self> {
        let mut header = [0; FILE_HEADER];
        header[..4].copy_from_slice(&MAGIC_MICROSECONDS.to_le_bytes());
        header[4..6].copy_from_slice(&2_u16.to_le_bytes());
        header[6..8].copy_from_slice(&4_u16.to_le_bytes());
        header[16..20].copy_from_slice(&SNAPSHOT_LENGTH.to_le_bytes());
        header[20..24].copy_from_slice(&ETHERNET.to_le_bytes());
        to.write_all(&header)?;
        Ok(Self { to })
    }

    /// Adds a frame that came so long after 1970.
    pub fn frame(&mut self, time: Duration, frame: &[u8]) -> io::Result<()> {
        let frame = frame.get(..SNAPSHOT_LENGTH as usize).unwrap_or(frame);
        let mut header = [0; FRAME_HEADER];
        // The format's seconds end in 2106.
        header[..4].copy_from_slice(&(time.as_secs() as u32).to_le_bytes());
        header[4..8].copy_from_slice(&time.subsec_micros().to_le_bytes());
        header[8..12].copy_from_slice(&(frame.len() as u32).to_le_bytes());
        header[12..].copy_from_slice(&(frame.len() as u32).to_le_bytes());
        self.to.write_all(&header)?;
        self.to.write_all(frame)
    }
}

impl Writer<Vec<u8>> {
    /// What was written since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes).unwrap();
        for (seconds, frame) in (1_700_000_000..).zip(frames) {
            writer.frame(Duration::new(seconds, 123_456_789), frame).unwrap();
        }
        bytes
    }

    #[test]
    fn reads_what_it_writes() {
        let (long, short) = ([7; 1514], [1; 14]);
        let bytes = written(&[&long, &short, &[]]);
        assert_eq!(bytes[24 + 4..24 + 8], 123_456_u32.to_le_bytes());
        let capture = Capture::parse(bytes).unwrap();
        assert_eq!(capture.len(), 3);
        assert!(capture.frames().eq([&long[..], &short[..], &[]]));
        assert_eq!((capture.frame(1), capture.frame(3)), (Some(&short[..]), None));
        assert_eq!(Capture::parse(written(&[])).unwrap().len(), 0);
    }

    #[test]
    fn reads_the_other_byte_order_and_nanoseconds() {
        let mut bytes = Vec::new();
        for word in [MAGIC_NANOSECONDS, 0x0002_0004, 0, 0, 96, 1, 5, 999_999_999, 4, 4] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend([1, 2, 3, 4]);
        assert_eq!(Capture::parse(bytes).unwrap().frame(0), Some(&[1, 2, 3, 4][..]));
    }

    #[test]
    fn says_what_is_wrong() {
        let good = written(&[&[1; 60], &[2; 60]]);
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            bytes
        };
        let long = with(24 + 11, 0x7f);
        for (bytes, why) in [
            (Vec::new(), "0 bytes do not hold"),
            (vec![0; 24], "does not begin like"),
            ([&[0x0a, 0x0d, 0x0d, 0x0a][..], &[0; 60]].concat(), "pcapng"),
            (with(20, 101), "link type 101"),
            (good[..good.len() - 1].to_vec(), "within frame 2"),
            (good[..24 + 76 + 9].to_vec(), "within frame 2"),
            (with(24 + 12, 90), "60 of the 90 bytes of frame 1"),
            ([&long[..24 + 12], &long[24 + 8..24 + 12], &long[24 + 16..]].concat(), "within frame 1"),
        ] {
            let error = Capture::parse(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(why), "{why}: {error}");
        }
    }

    #[test]
    fn no_prefix_and_no_flipped_bit_panics() {
        let good = written(&[&[1; 20], &[2; 20]]);
        for end in 0..good.len() {
            let _ = Capture::parse(good[..end].to_vec());
        }
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let _ = Capture::parse(bytes);
        }
    }
}
