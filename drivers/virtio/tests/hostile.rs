//! Devices that say what cannot be: every lie is an error that names it, and nothing is reached that is not the queue's.

mod common;

use common::{BROADCAST, drain, frame, queue, send, start, start_with, with_net};
use dirql::class::net::{self, Net, Offloads};
use dirql::driver::Driver;
use dirql::{Error, ErrorKind};
use dirql_virtio::model::{Adapter, Area, Delivery, Options, Wire};
use dirql_virtio::net::VirtioNet;
use proptest::prelude::*;

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;

fn split() -> (VirtioNet, Wire) {
    start(Options::default())
}

fn packed() -> (VirtioNet, Wire) {
    start(Options { packed: true, ..Options::default() })
}

/// The device says in its split ring that it has used these chains, and moves the index to `index`.
fn use_split(wire: &Wire, queue: u16, index: u16, entries: &[(u32, u32)]) {
    for (entry, (id, len)) in (0..).zip(entries) {
        let bytes = [id.to_le_bytes(), len.to_le_bytes()].concat();
        wire.scribble(queue, Area::Device, 4 + 8 * entry, &bytes).unwrap();
    }
    wire.scribble(queue, Area::Device, 2, &index.to_le_bytes()).unwrap();
}

/// The device says in its packed ring that it has used these chains, in the first round.
fn use_packed(wire: &Wire, queue: u16, entries: &[(u16, u32)]) {
    for (entry, (id, len)) in (0..).zip(entries) {
        let bytes = [&len.to_le_bytes()[..], &id.to_le_bytes(), &0x8080_u16.to_le_bytes()].concat();
        wire.scribble(queue, Area::Descriptors, 16 * entry + 8, &bytes).unwrap();
    }
}

/// Receives until that fails, and sees that it goes on to.
fn failure(net: &mut VirtioNet) -> Error {
    let mut receive = || net.queue().receive(1000, &mut |_| {});
    let error = loop {
        match receive() {
            Ok(0) => panic!("nothing failed"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Device, "{error}");
    assert!(error.to_string().contains("queue 0 for 0000:"), "{error}");
    assert_eq!(receive().unwrap_err().to_string(), error.to_string());
    error
}

#[test]
fn a_chain_that_there_is_not_or_that_is_not_out_is_an_error() {
    for (id, entries) in [
        (256, vec![(256, 60)]),
        (u32::MAX, vec![(u32::MAX, 60)]),
        // In the upper half of the word, which is no part of an index.
        (0x10000, vec![(0x10000, 60)]),
    ] {
        let (mut net, wire) = split();
        use_split(&wire, RECEIVE, 1, &entries);
        let error = failure(&mut net);
        assert!(error.to_string().contains(&format!("used chain {id} of 256")), "{error}");
    }
    for id in [256, u16::MAX] {
        let (mut net, wire) = packed();
        use_packed(&wire, RECEIVE, &[(id, 60)]);
        let error = failure(&mut net);
        assert!(error.to_string().contains(&format!("used chain {id} of 256")), "{error}");
    }
    // One that the driver has taken back, and not given again.
    let twice = [(0, 0), (0, 0)];
    let (mut net, wire) = split();
    wire.hold(true);
    send(queue(&mut net), &[frame(BROADCAST, 0, 60), frame(BROADCAST, 1, 60)]);
    use_split(&wire, TRANSMIT, 2, &twice);
    assert!(net.queue().in_flight().unwrap_err().to_string().contains("used chain 0 of 256"));
    let (mut net, wire) = packed();
    wire.hold(true);
    send(queue(&mut net), &[frame(BROADCAST, 0, 60), frame(BROADCAST, 1, 60)]);
    use_packed(&wire, TRANSMIT, &[(0, 0), (0, 0)]);
    assert!(net.queue().in_flight().unwrap_err().to_string().contains("used chain 0 of 256"));
}

#[test]
fn an_index_that_runs_ahead_or_back_is_an_error() {
    for index in [257, 0x8000, 0xffff] {
        let (mut net, wire) = split();
        use_split(&wire, RECEIVE, index, &[]);
        let error = failure(&mut net);
        assert!(error.to_string().contains(&format!("used index from 0 to {index}, and has 256")), "{error}");
    }
    let (mut net, wire) = split();
    assert_eq!(wire.inject(&frame(Adapter::MAC, 0, 60)), Delivery::Received);
    assert_eq!(drain(queue(&mut net)).len(), 1);
    use_split(&wire, RECEIVE, 0, &[]);
    assert!(failure(&mut net).to_string().contains("from 1 to 0"));
}

#[test]
fn more_bytes_than_a_buffer_holds_are_an_error() {
    for len in [2049, u32::MAX] {
        for is_packed in [false, true] {
            let (mut net, wire) = if is_packed { packed() } else { split() };
            match is_packed {
                true => use_packed(&wire, RECEIVE, &[(3, len)]),
                false => use_split(&wire, RECEIVE, 1, &[(3, len)]),
            }
            let error = failure(&mut net);
            assert!(
                error.to_string().contains(&format!("written {len} bytes to chain 3, where 2048 fit")),
                "{error}"
            );
        }
    }
    // Into what it only reads, it can have written nothing.
    let (mut net, wire) = split();
    wire.hold(true);
    send(queue(&mut net), &[frame(BROADCAST, 0, 60)]);
    use_split(&wire, TRANSMIT, 1, &[(0, 1)]);
    assert!(net.queue().in_flight().unwrap_err().to_string().contains("1 bytes to chain 0, where 0 fit"));
}

#[test]
fn what_can_be_no_frame_is_dropped_and_counted() {
    let (mut net, wire) = split();
    use_split(&wire, RECEIVE, 4, &[(0, 0), (1, 11), (2, 25), (3, 26)]);
    let mut lens = Vec::new();
    assert_eq!(net.queue().receive(10, &mut |frame| lens.push(frame.len())).unwrap(), 1);
    assert_eq!((lens, net.statistics().unwrap().receive_errors), (vec![14], 3));
}

/// A driver that takes frames in several buffers, with checksums and segments.
fn everything(is_packed: bool) -> (VirtioNet, Wire) {
    let offloads = Offloads { checksum: true, segmentation: true, vlan: false };
    let options = Options { packed: is_packed, offloads: true, ..Options::default() };
    start_with(options, &with_net(net::Settings { offloads, ..net::Settings::default() }))
}

#[test]
fn a_frame_of_buffers_that_are_not_there_is_an_error() {
    for (count, words) in
        [(2_u16, "takes 2 buffers, and has used 1"), (300, "takes 300 buffers"), (u16::MAX, "takes 65535")]
    {
        for is_packed in [false, true] {
            let (mut net, wire) = everything(is_packed);
            let mut first = [0; 8];
            wire.bus().dma_read(dirql::Iova(wire.area(RECEIVE, Area::Descriptors)), &mut first).unwrap();
            let buffer = dirql::Iova(u64::from_le_bytes(first));
            let header = [&[0; 10][..], &count.to_le_bytes()].concat();
            wire.bus().dma_write(buffer, &header).unwrap();
            match is_packed {
                true => use_packed(&wire, RECEIVE, &[(0, 100)]),
                false => use_split(&wire, RECEIVE, 1, &[(0, 100)]),
            }
            let error = net.queue().receive(1, &mut |_| panic!("it is no frame")).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

#[test]
fn a_frame_of_no_buffers_or_too_many_is_dropped_and_its_buffers_go_back() {
    for count in [0_u16, 37, 200] {
        let (mut net, wire) = everything(false);
        let mut first = [0; 8];
        wire.bus().dma_read(dirql::Iova(wire.area(RECEIVE, Area::Descriptors)), &mut first).unwrap();
        let header = [&[0; 10][..], &count.to_le_bytes()].concat();
        wire.bus().dma_write(dirql::Iova(u64::from_le_bytes(first)), &header).unwrap();
        let used: Vec<_> = (0..u32::from(count.max(1))).map(|id| (id, 2048)).collect();
        use_split(&wire, RECEIVE, count.max(1), &used);
        assert_eq!(net.queue().receive(1000, &mut |_| panic!("it is no frame")).unwrap(), 0);
        assert_eq!(net.statistics().unwrap().receive_errors, 1);
        let mut available = [0; 2];
        wire.bus().dma_read(dirql::Iova(wire.area(RECEIVE, Area::Driver) + 2), &mut available).unwrap();
        assert_eq!(u16::from_le_bytes(available), 256 + count.max(1), "all of them are the device's again");
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Somewhere in a part of a queue.
    Scribble {
        queue: u16,
        area: Area,
        offset: u64,
        bytes: Vec<u8>,
    },
    /// An entry of a split ring, and the index.
    Use {
        queue: u16,
        index: u16,
        entries: Vec<(u32, u32)>,
    },
    /// An entry of a packed ring.
    UsePacked {
        queue: u16,
        entries: Vec<(u16, u32)>,
    },
    /// What stands before a frame.
    Header {
        buffer: u64,
        header: [u8; 12],
    },
    Receive(usize),
    Transmit(usize),
    InFlight,
}

fn step() -> impl Strategy<Value = Step> {
    let id = prop_oneof![0_u32..260, any::<u32>()];
    let len = prop_oneof![0_u32..2100, any::<u32>()];
    let area = prop_oneof![Just(Area::Device), Just(Area::Descriptors), Just(Area::Driver)];
    prop_oneof![
        (0_u16..2, area, 0_u64..2048, prop::collection::vec(any::<u8>(), 1..16))
            .prop_map(|(queue, area, offset, bytes)| Step::Scribble { queue, area, offset, bytes }),
        (0_u16..2, 0_u16..20, prop::collection::vec((id, len.clone()), 0..12))
            .prop_map(|(queue, index, entries)| Step::Use { queue, index, entries }),
        (0_u16..2, prop::collection::vec((0_u16..260, len), 0..12))
            .prop_map(|(queue, entries)| Step::UsePacked { queue, entries }),
        (0_u64..8, any::<[u8; 12]>(), 0_u8..5).prop_map(|(buffer, mut header, count)| {
            header[10..].copy_from_slice(&u16::from(count).to_le_bytes());
            Step::Header { buffer, header }
        }),
        (1_usize..100).prop_map(Step::Receive),
        (1_usize..100).prop_map(Step::Transmit),
        Just(Step::InFlight),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_a_device_writes_is_a_frame_or_an_error(
        is_packed: bool,
        has_everything: bool,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let (mut net, wire) = match (has_everything, is_packed) {
            (true, _) => everything(is_packed),
            (false, true) => packed(),
            (false, false) => split(),
        };
        // It takes nothing by itself: everything that it says is made up.
        wire.hold(true);
        let mut first = [0; 8];
        wire.bus().dma_read(dirql::Iova(wire.area(RECEIVE, Area::Descriptors)), &mut first).unwrap();
        let buffers = u64::from_le_bytes(first);
        for step in steps {
            let outcome = match step {
                Step::Scribble { queue, area, offset, bytes } => {
                    // Beyond the part's end is another part of the same pool, or nothing.
                    let _ = wire.scribble(queue, area, offset, &bytes);
                    Ok(0)
                }
                Step::Use { queue, index, entries } => {
                    use_split(&wire, queue, index, &entries);
                    Ok(0)
                }
                Step::UsePacked { queue, entries } => {
                    use_packed(&wire, queue, &entries);
                    Ok(0)
                }
                Step::Header { buffer, header } => {
                    wire.bus().dma_write(dirql::Iova(buffers + 2048 * buffer), &header).unwrap();
                    Ok(0)
                }
                Step::Receive(at_most) => net.queue().receive(at_most, &mut |frame| {
                    assert!((14..=36 * 2048).contains(&frame.len()));
                    std::hint::black_box(frame.bytes());
                }),
                Step::Transmit(count) => {
                    let mut left = count;
                    net.queue().transmit(&mut |room| {
                        left = left.checked_sub(1)?;
                        room.fill(0xaa);
                        Some(60.into())
                    })
                }
                Step::InFlight => net.queue().in_flight(),
            };
            if let Err(error) = outcome {
                prop_assert_eq!(error.kind(), ErrorKind::Device);
            }
        }
        Box::new(net).stop().unwrap();
    }
}
