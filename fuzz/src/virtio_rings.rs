//! A virtio network device that writes anything into its rings: what comes of it is a frame or an error.

use dirql::class::net::{self, Net, Offloads};
use dirql::driver::{Driver, Settings};
use dirql::{ErrorKind, Iova};
use dirql_virtio::model::{Adapter, Area, Options, Wire};
use dirql_virtio::net::VirtioNet;

use crate::input::Input;

const RECEIVE: u16 = 0;
/// What a device writes into; of the rest only the driver could be confused, which keeps its own copy.
const AREAS: [Area; 2] = [Area::Device, Area::Descriptors];
/// Bytes of a receive buffer.
const BUFFER: u64 = 2048;
/// The longest frame is in so many of them.
const PARTS: u64 = 36;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let flags = input.byte();
    let everything = flags & 2 != 0;
    let offloads = Offloads { checksum: everything, segmentation: everything, vlan: false };
    let settings = Settings { net: net::Settings { offloads, ..Default::default() }, ..Default::default() };
    let options = Options {
        packed: flags & 1 != 0,
        event_idx: flags & 4 == 0,
        offloads: everything,
        // An interrupt would come while the next step is on its way, and a control queue is told of 4096 VLANs first.
        vectors: 0,
        ctrl_vq: false,
        ..Options::default()
    };
    let (device, wire) = Adapter::new(options).plug_in().expect("the model is plugged in");
    let mut net = VirtioNet::start(device, &settings).expect("the model is started");
    // It takes nothing by itself: everything that it says is made up.
    wire.hold(true);
    let mut first = [0; 8];
    let ring = Iova(wire.area(RECEIVE, Area::Descriptors));
    wire.bus().dma_read(ring, &mut first).expect("the ring is mapped");
    let buffers = u64::from_le_bytes(first);
    while !input.is_empty() {
        step(&mut input, &mut net, &wire, buffers);
    }
    Box::new(net).stop().expect("it is stopped");
}

fn step(input: &mut Input<'_>, net: &mut VirtioNet, wire: &Wire, buffers: u64) {
    let kind = input.byte();
    let queue = u16::from(kind >> 7);
    let done = match kind & 7 {
        0 => {
            let area = AREAS[usize::from(kind >> 3 & 15) % AREAS.len()];
            let (offset, bytes) = (u64::from(input.word() & 0x7ff), input.piece());
            // Beyond the part's end is another part of the same pool, or nothing.
            let _ = wire.scribble(queue, area, offset, bytes);
            Ok(0)
        }
        1 => {
            for entry in 0..u64::from(kind >> 3 & 15) {
                // An id, a length.
                let bytes = [input.double().to_le_bytes(), input.double().to_le_bytes()].concat();
                let _ = wire.scribble(queue, Area::Device, 4 + 8 * entry, &bytes);
            }
            let _ = wire.scribble(queue, Area::Device, 2, &input.word().to_le_bytes());
            Ok(0)
        }
        2 => {
            for entry in 0..u64::from(kind >> 3 & 15) {
                // A length, an id, and flags of the first round.
                let (len, id) = (input.double().to_le_bytes(), input.word().to_le_bytes());
                let bytes = [&len[..], &id, &0x8080_u16.to_le_bytes()].concat();
                let _ = wire.scribble(queue, Area::Descriptors, 16 * entry + 8, &bytes);
            }
            Ok(0)
        }
        3 => {
            let to = Iova(buffers + BUFFER * u64::from(kind >> 3));
            let _ = wire.bus().dma_write(to, input.take(12));
            Ok(0)
        }
        4 => net.queue().receive(input.byte().into(), &mut |frame| {
            assert!((14..=PARTS * BUFFER).contains(&(frame.len() as u64)));
            assert_eq!(frame.bytes().len(), frame.len());
        }),
        5 => {
            let mut left = input.byte();
            net.queue().transmit(&mut |room| {
                left = left.checked_sub(1)?;
                room.fill(0xaa);
                Some(60.into())
            })
        }
        _ => net.queue().in_flight(),
    };
    if let Err(error) = done {
        assert_eq!(error.kind(), ErrorKind::Device, "{error}");
    }
}
