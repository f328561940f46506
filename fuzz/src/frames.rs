//! Frames that reach the command's TCP/IP stack: any, with a good header, and a good answer in between.

use std::net::Ipv4Addr;

use dirql::Address;
use dirql::class::net::Net as _;

use crate::input::Input;
use crate::peer::Peer;
use crate::stack::{Configuration, Stack};
use crate::wire::Wire;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut wire = Wire::new();
    let own = wire.mac().0;
    let mut requests = 0;
    while !input.is_empty() {
        let kind = input.byte();
        let mut frame = Vec::new();
        match kind & 3 {
            // As it is.
            0 => {}
            1 => frame = [&own[..], &[2, 0, 0, 0, 0, 1], &[8, 6]].concat(),
            2 => frame = [&own[..], &[2, 0, 0, 0, 0, 1], &[8, 0]].concat(),
            _ => requests += 1,
        }
        frame.extend_from_slice(input.piece());
        if kind & 7 == 6 {
            // No chance finds a checksum either.
            seal(&mut frame[14..]);
        }
        wire.inject(&frame);
    }
    let address: Address = "00:03.0".parse().expect("it is one");
    let mut stack = Stack::new(address, &mut wire).expect("its address is one");
    let source = "10.0.2.15/24".parse().expect("it is one");
    stack.configure(Configuration { source, gateway: Some(Peer::ADDRESS) });
    for sequence in 0..requests {
        stack.request(Peer::ADDRESS, sequence);
    }
    // Each look takes in 64 frames, and what it sends is answered by the next.
    for _ in 0..6 {
        stack.poll().expect("the device does not fail");
        for from in [Peer::ADDRESS, Ipv4Addr::UNSPECIFIED] {
            while let Some(reply) = stack.reply(from) {
                assert!(reply.len >= 8);
            }
        }
    }
}

/// Makes the checksum of an IPv4 header right, and of ICMP behind it.
fn seal(packet: &mut [u8]) {
    let len = packet.first().map_or(0, |byte| usize::from(byte & 15) * 4);
    if let Some((header, payload)) = packet.split_at_mut_checked(len) {
        sum(header, 10);
        if header.get(9) == Some(&1) {
            sum(payload, 2);
        }
    }
}

fn sum(bytes: &mut [u8], at: usize) {
    let Some(place) = bytes.get_mut(at..at + 2) else { return };
    place.fill(0);
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = !((folded & 0xffff) + (folded >> 16)) as u16;
    bytes[at..at + 2].copy_from_slice(&folded.to_be_bytes());
}
