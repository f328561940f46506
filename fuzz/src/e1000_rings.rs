//! A network chip that writes anything into its descriptors: what comes of it is a frame or nothing.

use dirql::Iova;
use dirql::class::net::{self, Net, Offloads};
use dirql::driver::{Driver, Settings};
use dirql::interrupt::Mode;
use dirql_e1000::E1000;
use dirql_e1000::model::{Chip, Wire, register};

use crate::input::Input;

/// Bytes of a receive buffer, and how many the longest frame is in.
const BUFFER: usize = 2048;
const PARTS: usize = 8;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let flags = input.byte();
    let is_express = flags & 1 != 0;
    let is_jumbo = flags & 2 != 0;
    let offloads = Offloads { checksum: true, segmentation: true, vlan: flags & 4 != 0 };
    let net = net::Settings { mtu: if is_jumbo { 9000 } else { 1500 }, offloads, ..Default::default() };
    let settings = Settings { interrupts: Some(Mode::Intx), net };
    let chip = if is_express { Chip::express() } else { Chip::new() };
    let (device, wire) = chip.plug_in().expect("the model is plugged in");
    let mut e1000 = E1000::start(device, &settings).expect("the model is started");
    while !input.is_empty() {
        step(&mut input, &mut e1000, &wire);
    }
    Box::new(e1000).stop().expect("it is stopped");
}

fn step(input: &mut Input<'_>, e1000: &mut E1000, wire: &Wire) {
    let kind = input.byte();
    let done = match kind & 7 {
        0 => {
            let (length, status, errors) = (input.word(), input.byte(), input.byte());
            wire.misdescribe(length, status, errors);
            Ok(0)
        }
        1 | 2 => {
            let base = if kind & 7 == 1 { register::RDBAL } else { register::TDBAL };
            let ring = u64::from(wire.peek(base)) | u64::from(wire.peek(base + 4)) << 32;
            // 256 descriptors of 16 bytes.
            let offset = u64::from(input.word() & 0xfff);
            let _ = wire.bus().dma_write(Iova(ring + offset), input.piece());
            Ok(0)
        }
        3 => {
            let len = usize::from(input.word() & 0x3fff);
            let mut frame = [&Chip::MAC.0[..], input.piece()].concat();
            frame.resize(len, 0x5a);
            wire.inject(&frame);
            Ok(0)
        }
        4 | 5 => e1000.queue().receive(input.byte().into(), &mut |frame| {
            assert!((14..=PARTS * BUFFER).contains(&frame.len()));
            assert_eq!(frame.bytes().len(), frame.len());
        }),
        6 => {
            let mut left = input.byte();
            wire.hold(kind & 8 != 0);
            e1000.queue().transmit(&mut |room| {
                left = left.checked_sub(1)?;
                room.fill(0xaa);
                Some(60.into())
            })
        }
        _ => e1000.queue().in_flight(),
    };
    done.map(drop).expect("nothing that is in memory is a failure of the chip");
}
