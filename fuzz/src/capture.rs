//! Captures.

use std::time::Duration;

use crate::pcap::{Capture, Writer};

pub fn run(bytes: &[u8]) {
    let Ok(capture) = Capture::parse(bytes.to_vec()) else { return };
    assert_eq!(capture.frames().count(), capture.len());
    assert!(capture.frames().map(<[u8]>::len).sum::<usize>() <= bytes.len());
    assert_eq!(capture.frame(capture.len()), None);
    let mut written = Vec::new();
    let mut writer = Writer::new(&mut written).expect("memory is written");
    for (index, frame) in capture.frames().enumerate() {
        assert_eq!(capture.frame(index), Some(frame));
        writer.frame(Duration::from_micros(index as u64), frame).expect("memory is written");
    }
    let again = Capture::parse(written).expect("what was written is read");
    // One of ours holds 65535 bytes of a frame.
    assert!(again.frames().eq(capture.frames().map(|frame| &frame[..frame.len().min(65535)])));
}
